#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::cli {

/// Splits one CSV record (RFC 4180) into its fields: commas between them, quotes around those that hold commas, quotes
/// (doubled) or line ends. Without quotes, blanks belong to the field.
/// Returns: INVALID_ARGUMENT for a quote inside a bare field or text after a closing quote; OUT_OF_RANGE when a quoted
/// field does not end: the record goes on in the next line.
[[nodiscard]] Result<std::vector<std::string>> split_csv(std::string_view record);

/// Turns CSV records into places as the server reads them.
class PlaceCsv {
 public:
  /// `header`: the first record; columns in any order, place_id, lat and lon among them.
  /// Returns: INVALID_ARGUMENT for a column that is unknown, repeated or missing.
  [[nodiscard]] static Result<PlaceCsv> from_header(std::string_view header);

  /// One JSON object. Empty fields are left out.
  /// Returns: what split_csv returns; INVALID_ARGUMENT for too many or too few fields, or a lat or lon that is no
  /// number.
  [[nodiscard]] Result<std::string> to_json(std::string_view record) const;

 private:
  std::vector<std::string> columns_;
};

}  // namespace cairn::cli
