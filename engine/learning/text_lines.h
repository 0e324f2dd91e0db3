#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::learning {

/// What is wrong with a line; empty: nothing.
using LineFault = std::string;

/// Gives every line of a plain or gzip file, without '\n', to `take`, until one is at fault.
/// Returns: INVALID_ARGUMENT "file:line: fault"; what streaming::open_line_reader() and its next() return.
[[nodiscard]] Status for_each_line(const std::string& path, const std::function<LineFault(std::string_view)>& take);

/// `text` in quotes, cut short, without control characters: for messages.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace cairn::learning
