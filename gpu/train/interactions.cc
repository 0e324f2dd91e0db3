#include "gpu/train/interactions.h"

#include <cmath>

namespace cairn::gpu {

Status check_interactions(const SparseView& interactions) {
  CAIRN_RETURN_IF_ERROR(check_sparse(interactions));
  if (interactions.rows() == 0 || interactions.width == 0) {
    return invalid_argument("interactions need at least one user and one item");
  }
  for (const float value : interactions.values) {
    if (!(value > 0.0F) || !std::isfinite(value)) {
      return invalid_argument("values of interactions have to be finite and positive");
    }
  }
  return ok_status();
}

std::vector<std::uint32_t> row_degrees(const SparseView& matrix) {
  std::vector<std::uint32_t> degrees(matrix.rows());
  for (std::size_t r = 0; r < degrees.size(); ++r) {
    degrees[r] = static_cast<std::uint32_t>(matrix.columns_of(r).size());
  }
  return degrees;
}

std::vector<std::uint32_t> column_degrees(const SparseView& matrix) {
  std::vector<std::uint32_t> degrees(matrix.width);
  for (const std::uint32_t column : matrix.columns) ++degrees[column];
  return degrees;
}

SparseMatrix scaled(const SparseView& matrix, std::span<const float> row_scales, std::span<const float> column_scales) {
  SparseMatrix result{.offsets = {matrix.offsets.begin(), matrix.offsets.end()},
                      .columns = {matrix.columns.begin(), matrix.columns.end()},
                      .values = std::vector<float>(matrix.columns.size()),
                      .width = matrix.width};
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    for (std::size_t entry = matrix.offsets[r]; entry < matrix.offsets[r + 1]; ++entry) {
      // Without values each counts as 1, so the result always has values of its own.
      result.values[entry] = row_scales[r] * matrix.value(entry) * column_scales[matrix.columns[entry]];
    }
  }
  return result;
}

}  // namespace cairn::gpu
