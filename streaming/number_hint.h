#pragma once

#include <string>
#include <string_view>

namespace cairn::streaming {

/// What to do about a text that stands where a number is meant, to be put behind "is no number": a decimal comma, or
/// quotes around a number. Empty when nothing is to be said.
[[nodiscard]] std::string number_hint(std::string_view text);

}  // namespace cairn::streaming
