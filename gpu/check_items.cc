#include <algorithm>
#include <cmath>
#include <string>

#include "gpu/finite.h"
#include "gpu/item_matrix.h"

namespace cairn::gpu {
namespace {

Status check_options(const MatrixView& items, const MatrixOptions& options) {
  if (items.dim == 0 || items.dim > kDimMax) {
    return invalid_argument("items have " + std::to_string(items.dim) + " dimensions; 1 to " + std::to_string(kDimMax) +
                            " are possible");
  }
  // Rows are numbered in 32 bits, and the last number stands for no row.
  if (items.values.size() != items.rows * items.dim || items.rows >= kNoRow) {
    return invalid_argument(std::to_string(items.values.size()) + " values are not " + std::to_string(items.rows) +
                            " rows of " + std::to_string(items.dim));
  }
  const Precision scan = scan_of(options);
  if (scan != options.storage && !is_code(scan)) {
    return invalid_argument("values kept in " + std::string(to_string(options.storage)) + " cannot be scanned in " +
                            std::string(to_string(scan)));
  }
  if (is_code(options.storage) && scan != options.storage) {
    return invalid_argument("values kept in " + std::string(to_string(options.storage)) + " are scanned as they are");
  }
  if (options.int4_group == 0 || options.int4_group % 8 != 0) {
    return invalid_argument("int4_group is " + std::to_string(options.int4_group) + ", not a multiple of 8");
  }
  if (options.calibration.rows > 0 && options.calibration.dim != items.dim) {
    return invalid_argument("the calibration's queries have " + std::to_string(options.calibration.dim) +
                            " dimensions, the items " + std::to_string(items.dim));
  }
  return ok_status();
}

Status check_values(const MatrixView& items, Precision storage) {
  // A code has no value that is infinite or NaN, while floats and halves keep them.
  if (!is_code(storage)) return ok_status();
  for (std::size_t r = 0; r < items.rows; ++r) {
    if (all_finite(items.row(r))) continue;
    return invalid_argument("row " + std::to_string(r) + " holds a value that is not finite: " +
                            std::string(to_string(storage)) + " cannot keep it, fp32 and fp16 can");
  }
  return ok_status();
}

}  // namespace

Precision scan_of(const MatrixOptions& options) noexcept {
  return options.scan.value_or(is_code(options.storage) ? options.storage : Precision::kInt8);
}

Status check_items(const MatrixView& items, const MatrixOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(items, options));
  return check_values(items, options.storage);
}

}  // namespace cairn::gpu
