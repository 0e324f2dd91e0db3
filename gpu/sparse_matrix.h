#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

/// A sparse matrix that owns its arrays, which are laid out as SparseView says.
struct SparseMatrix {
  std::vector<std::uint64_t> offsets = {};
  std::vector<std::uint32_t> columns = {};
  std::vector<float> values = {};
  std::size_t width = 0;

  /// Views this matrix, which has to live as long and stay as it is.
  [[nodiscard]] SparseView view() const noexcept { return {offsets, columns, values, width}; }
};

/// Says what is wrong with a matrix in compressed rows, except for its values: any float may stand there.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_sparse(const SparseView& matrix);

/// The same entries by column: `matrix.width` rows, `matrix.rows()` wide. Requires: check_sparse(matrix) is OK.
[[nodiscard]] SparseMatrix transposed(const SparseView& matrix);

}  // namespace cairn::gpu
