#include "gpu/train/interactions.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace cairn::gpu {
namespace {

Status check_row(const SparseView& matrix, std::size_t r) {
  const std::span<const std::uint32_t> columns = matrix.columns_of(r);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] >= matrix.width || (i > 0 && columns[i] <= columns[i - 1])) {
      return invalid_argument("row " + std::to_string(r) + ": columns have to ascend below the width, " +
                              std::to_string(matrix.width) + ", none of them twice");
    }
  }
  return ok_status();
}

}  // namespace

Status check_sparse(const SparseView& matrix) {
  const std::span<const std::uint64_t> offsets = matrix.offsets;
  const std::size_t last = offsets.empty() ? 0 : offsets.back();
  if (!std::is_sorted(offsets.begin(), offsets.end()) || (!offsets.empty() && offsets.front() != 0) ||
      last != matrix.columns.size()) {
    return invalid_argument("offsets have to ascend from 0 to the number of columns, " +
                            std::to_string(matrix.columns.size()));
  }
  if (!matrix.values.empty() && matrix.values.size() != matrix.columns.size()) {
    return invalid_argument(std::to_string(matrix.values.size()) + " values for " +
                            std::to_string(matrix.columns.size()) + " columns");
  }
  for (std::size_t r = 0; r < matrix.rows(); ++r) CAIRN_RETURN_IF_ERROR(check_row(matrix, r));
  return ok_status();
}

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

SparseMatrix transposed(const SparseView& matrix) {
  SparseMatrix result{.offsets = std::vector<std::uint64_t>(matrix.width + 1), .width = matrix.rows()};
  for (const std::uint32_t column : matrix.columns) ++result.offsets[column + 1];
  for (std::size_t c = 0; c < matrix.width; ++c) result.offsets[c + 1] += result.offsets[c];
  result.columns.resize(matrix.columns.size());
  result.values.resize(matrix.values.size());
  std::vector<std::uint64_t> next(result.offsets.begin(), result.offsets.end() - 1);
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    for (std::size_t entry = matrix.offsets[r]; entry < matrix.offsets[r + 1]; ++entry) {
      const std::size_t to = next[matrix.columns[entry]]++;
      result.columns[to] = static_cast<std::uint32_t>(r);
      if (!matrix.values.empty()) result.values[to] = matrix.values[entry];
    }
  }
  return result;
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
      result.values[entry] = row_scales[r] * matrix.value(entry) * column_scales[matrix.columns[entry]];
    }
  }
  return result;
}

}  // namespace cairn::gpu
