#pragma once

#include <cstddef>
#include <span>

#include "gpu/matrix.h"

namespace cairn::gpu {

// Dot products of every query with rows of as many floats. Each has the bits that ItemMatrix defines a score by, on
// every instruction set: they depend neither on how many are computed together nor on `threads` (0: every processor).

/// That of query q with row r goes to out[q * rows.rows + r].
/// Requires: both have the same dim, and `out` has queries.rows × rows.rows values.
void dot_products(const MatrixView& queries, const MatrixView& rows, std::size_t threads, std::span<float> out);

/// The same for rows that stand anywhere.
void dot_products(const MatrixView& queries, std::span<const float* const> rows, std::size_t threads,
                  std::span<float> out);

}  // namespace cairn::gpu
