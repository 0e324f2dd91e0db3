#pragma once

#include <string>
#include <string_view>

namespace cairn::streaming {

/// The text of a JSON string between its quotes: escapes become what they stand for. What is no escape stays.
[[nodiscard]] std::string without_escapes(std::string_view json);

/// Whether a payload, which may be no JSON, names the id: it stands there in plain or with JSON's escapes, and neither
/// a letter nor a digit touches it. Says yes too often rather than too seldom.
[[nodiscard]] bool mentions(std::string_view payload, std::string_view id);

}  // namespace cairn::streaming
