#pragma once

#include <cstddef>

#include "gpu/matrix.h"

namespace cairn::gpu {

/// out (rows × columns) = sparse (rows × width) · dense (width × columns), both dense ones row-major without gaps. Sums
/// run in the order of the entries, whatever the number of threads (0: all).
void multiply_sparse(const SparseView& sparse, const float* dense, std::size_t columns, float* out,
                     std::size_t threads);

/// out (columns × rows) = the transpose of `matrix` (rows × columns).
void transpose_dense(const float* matrix, std::size_t rows, std::size_t columns, float* out, std::size_t threads);

}  // namespace cairn::gpu
