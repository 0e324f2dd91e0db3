#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/sparse_matrix.h"

namespace cairn::gpu {

/// Says what is wrong with interactions to learn from: they have to pass check_sparse, values have to be finite and
/// positive, and neither side may be empty.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_interactions(const SparseView& interactions);

// Requires, below: a matrix that passes check_sparse.

/// How many entries each row, or each column, has.
[[nodiscard]] std::vector<std::uint32_t> row_degrees(const SparseView& matrix);
[[nodiscard]] std::vector<std::uint32_t> column_degrees(const SparseView& matrix);

/// diag(row_scales) · matrix · diag(column_scales).
[[nodiscard]] SparseMatrix scaled(const SparseView& matrix, std::span<const float> row_scales,
                                  std::span<const float> column_scales);

}  // namespace cairn::gpu
