#pragma once

#include "gpu/dense_algebra.h"

namespace cairn::gpu {

// Only in builds that found OpenBLAS's headers (CAIRN_GPU_OPENBLAS). The library is loaded at the first use: loading
// it starts threads, which programs that only serve have no use for.

/// Whether the library is on this machine.
[[nodiscard]] bool has_openblas() noexcept;

/// gemm by OpenBLAS, on the calling thread alone.
/// Requires: has_openblas(); sizes and strides below 2^31.
void openblas_gemm(const GemmCall& call);

}  // namespace cairn::gpu
