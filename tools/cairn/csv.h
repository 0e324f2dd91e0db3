#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::cli {

/// Splits one CSV record (RFC 4180) into its fields: `separator` between them, quotes around those that hold
/// separators, quotes (doubled) or line ends. Without quotes, blanks belong to the field. Returns: INVALID_ARGUMENT for
/// a quote inside a bare field or text after a closing quote; OUT_OF_RANGE when a quoted field does not end: the record
/// goes on in the next line.
[[nodiscard]] Result<std::vector<std::string>> split_csv(std::string_view record, char separator = ',');

/// What separates the columns of a heading: the comma, semicolon or tab that stands there most often outside of quotes.
[[nodiscard]] char separator_of(std::string_view heading);

}  // namespace cairn::cli
