#include "gpu/sparse_matrix.h"

#include <algorithm>
#include <span>
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

SparseMatrix transposed(const SparseView& matrix) {
  SparseMatrix result{.offsets = std::vector<std::uint64_t>(matrix.width + 1), .width = matrix.rows()};
  // A counting sort: how many entries each column has gives the offsets, and going through the rows in order leaves the
  // entries of each column in the order of the rows.
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

}  // namespace cairn::gpu
