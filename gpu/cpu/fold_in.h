#pragma once

#include <cstddef>
#include <memory>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/fold_in.h"

namespace cairn::gpu {

/// Copies `items`, rotated to the principal axes of their Gram matrix. Along these axes a row with fewer interactions
/// than dimensions needs a system of only as many unknowns as it has interactions (DualEquations). This call computes
/// the eigenvectors of a dim × dim matrix, in double on one thread; otherwise a call uses at most `threads` threads (0:
/// all). Results do not depend on the number of threads; instruction sets differ by rounding. Returns: INVALID_ARGUMENT
/// for shapes, options and values that make no sense; FAILED_PRECONDITION when this machine lacks the instruction set.
[[nodiscard]] Result<std::unique_ptr<FoldIn>> make_cpu_fold_in(MatrixView items, const FoldInOptions& options,
                                                               InstructionSet set, std::size_t threads);

}  // namespace cairn::gpu
