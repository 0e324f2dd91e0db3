#pragma once

#include <cstddef>
#include <memory>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/fold_in.h"

namespace cairn::gpu {

/// Copies `items`, turned to the principal axes of their Gram matrix: there a row of fewer interactions than dimensions
/// is a system of that few unknowns. Costs the eigenvectors of a dim × dim matrix, in double on one thread; one call
/// uses at most `threads` threads (0: all) otherwise. What comes out does not depend on how many; instruction sets
/// differ by rounding.
/// Returns: INVALID_ARGUMENT for shapes, options and values that make no sense; FAILED_PRECONDITION when this machine
/// lacks the instruction set.
[[nodiscard]] Result<std::unique_ptr<FoldIn>> make_cpu_fold_in(MatrixView items, const FoldInOptions& options,
                                                               InstructionSet set, std::size_t threads);

}  // namespace cairn::gpu
