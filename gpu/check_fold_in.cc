#include <algorithm>
#include <cmath>
#include <string>

#include "gpu/fold_in.h"

namespace cairn::gpu {
namespace {

std::string number(std::size_t value) { return std::to_string(value); }

Status check_row(const SparseView& rows, std::size_t r) {
  const std::span<const std::uint32_t> columns = rows.columns_of(r);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] >= rows.width) {
      return invalid_argument("column " + number(columns[i]) + " is not below the width " + number(rows.width));
    }
    if (i > 0 && columns[i] <= columns[i - 1]) return invalid_argument("columns have to ascend, none of them twice");
    const float weight = rows.value(rows.offsets[r] + i);
    if (!(weight > 0.0F) || !std::isfinite(weight)) {
      return invalid_argument("the weight of column " + number(columns[i]) + " is not finite and positive");
    }
  }
  return ok_status();
}

Status check_items(MatrixView items) {
  if (items.dim == 0) return invalid_argument("items need at least one dimension");
  if (items.values.size() != items.rows * items.dim) {
    return invalid_argument("items have " + std::to_string(items.values.size()) + " values, not " +
                            std::to_string(items.rows) + " x " + std::to_string(items.dim));
  }
  return ok_status();
}

Status check_options(const FoldInOptions& options) {
  const auto usable = [](float value) { return std::isfinite(value) && value >= 0.0F; };
  if (!usable(options.unobserved_weight)) return invalid_argument("unobserved_weight has to be finite, 0 or more");
  if (!usable(options.regularization)) return invalid_argument("regularization has to be finite, 0 or more");
  if (!usable(options.frequency_exponent)) return invalid_argument("frequency_exponent has to be finite, 0 or more");
  return ok_status();
}

}  // namespace

Status check_objective(MatrixView items, const FoldInOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_items(items));
  return check_options(options);
}

Status check_interactions(const SparseView& rows, std::size_t items) {
  if (rows.width != items) {
    return invalid_argument("interactions are " + number(rows.width) + " columns wide, items " + number(items));
  }
  if (!rows.values.empty() && rows.values.size() != rows.columns.size()) {
    return invalid_argument(number(rows.values.size()) + " values for " + number(rows.columns.size()) + " columns");
  }
  // Offsets come before rows: what they point to is only read when all of them are within the columns.
  const bool ascending = std::is_sorted(rows.offsets.begin(), rows.offsets.end());
  const std::size_t first = rows.offsets.empty() ? 0 : rows.offsets.front();
  const std::size_t last = rows.offsets.empty() ? 0 : rows.offsets.back();
  if (!ascending || first != 0 || last != rows.columns.size()) {
    return invalid_argument("offsets have to ascend from 0 to the number of columns, " + number(rows.columns.size()));
  }
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    CAIRN_RETURN_IF_ERROR(check_row(rows, r).with_context("row " + number(r)));
  }
  return ok_status();
}

}  // namespace cairn::gpu
