#include <string>

#include "gpu/item_matrix.h"

namespace cairn::gpu {
namespace {

std::string number(std::size_t value) { return std::to_string(value); }

/// Ranges are searched by halving, and their rows are read without another test: they have to ascend and to exist.
Status check_ranges(std::span<const RowRange> ranges, std::size_t rows) {
  std::uint32_t previous_end = 0;
  for (const RowRange& range : ranges) {
    if (range.begin > range.end || range.begin < previous_end || range.end > rows) {
      return invalid_argument("row range [" + number(range.begin) + ", " + number(range.end) +
                              ") is not ascending, overlaps the one before it or ends past " + number(rows) + " rows");
    }
    previous_end = range.end;
  }
  return ok_status();
}

Status check_excluded(std::span<const std::uint32_t> excluded) {
  for (std::size_t i = 1; i < excluded.size(); ++i) {
    // A row may stand there twice; one that does not exist excludes nothing.
    if (excluded[i] < excluded[i - 1]) return invalid_argument("excluded rows have to be in ascending order");
  }
  return ok_status();
}

Status check_filter(const RowFilter& filter, std::size_t rows) {
  if (filter.ranges) CAIRN_RETURN_IF_ERROR(check_ranges(*filter.ranges, rows));
  if (filter.allowed && filter.allowed->size() != (rows + 63) / 64) {
    return invalid_argument("a bitmap of " + number(rows) + " rows has " + number((rows + 63) / 64) + " words, not " +
                            number(filter.allowed->size()));
  }
  if (!filter.bias.empty() && filter.bias.size() != rows) {
    return invalid_argument("bias has " + number(filter.bias.size()) + " values for " + number(rows) + " rows");
  }
  return check_excluded(filter.excluded);
}

}  // namespace

Status check_batch(const TopKBatch& batch, std::size_t rows, std::size_t dim) {
  const MatrixView& queries = batch.queries;
  if (batch.k > kTopKMax) {
    return invalid_argument("k is " + number(batch.k) + "; at most " + number(kTopKMax) + " rows can be asked for");
  }
  if (queries.dim != dim) {
    return invalid_argument("queries have " + number(queries.dim) + " dimensions, items " + number(dim));
  }
  if (queries.values.size() != queries.rows * queries.dim) {
    return invalid_argument("queries have " + number(queries.values.size()) + " values, not " + number(queries.rows) +
                            " x " + number(queries.dim));
  }
  if (batch.filters.size() > 1 && batch.filters.size() != queries.rows) {
    return invalid_argument(number(batch.filters.size()) + " filters for " + number(queries.rows) + " queries");
  }
  for (std::size_t i = 0; i < batch.filters.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(check_filter(batch.filters[i], rows).with_context("filter " + number(i)));
  }
  return ok_status();
}

}  // namespace cairn::gpu
