#include <string>

#include "gpu/check_rows.h"
#include "gpu/item_matrix.h"

namespace cairn::gpu {
namespace {

std::string number(std::size_t value) { return std::to_string(value); }

Status check_filter(const RowFilter& filter, std::size_t rows) {
  if (filter.ranges) CAIRN_RETURN_IF_ERROR(check_ranges(*filter.ranges, rows));
  if (filter.allowed) CAIRN_RETURN_IF_ERROR(check_allowed(*filter.allowed, rows));
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
