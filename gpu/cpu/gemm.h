#pragma once

#include <cstddef>
#include <functional>

#include "gpu/backend.h"
#include "gpu/dense_algebra.h"

namespace cairn::gpu {

/// gemm by the built-in kernels of one instruction set.
/// Requires: this machine has it.
void builtin_gemm(const GemmCall& call, std::size_t threads, InstructionSet set);

/// Cuts a product into chunks of C by its shape alone, and has each done by one call of `multiply`, on one thread.
void gemm_by_chunks(const GemmCall& call, std::size_t threads, const std::function<void(const GemmCall&)>& multiply);

}  // namespace cairn::gpu
