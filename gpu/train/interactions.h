#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

/// A sparse matrix that owns its arrays.
struct SparseMatrix {
  std::vector<std::uint64_t> offsets = {};
  std::vector<std::uint32_t> columns = {};
  std::vector<float> values = {};
  std::size_t width = 0;

  [[nodiscard]] SparseView view() const noexcept { return {offsets, columns, values, width}; }
};

/// Says what is wrong with a matrix in compressed rows, except for its values.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_sparse(const SparseView& matrix);

/// The same for interactions to learn from: values have to be finite and positive, and no side empty.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_interactions(const SparseView& interactions);

// Requires, below: a matrix that passes check_sparse.

[[nodiscard]] SparseMatrix transposed(const SparseView& matrix);

/// How many entries each row, or each column, has.
[[nodiscard]] std::vector<std::uint32_t> row_degrees(const SparseView& matrix);
[[nodiscard]] std::vector<std::uint32_t> column_degrees(const SparseView& matrix);

/// diag(row_scales) · matrix · diag(column_scales).
[[nodiscard]] SparseMatrix scaled(const SparseView& matrix, std::span<const float> row_scales,
                                  std::span<const float> column_scales);

}  // namespace cairn::gpu
