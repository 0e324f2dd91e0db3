#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cairn::streaming {

/// Appends text as it stands between the quotes of a JSON string. What is no UTF-8 stays that.
void append_escaped(std::string_view text, std::string* json);

/// The text of a JSON string between its quotes: escapes become what they stand for. What is no escape stays.
[[nodiscard]] std::string without_escapes(std::string_view json);

/// Whether a payload, which may be no JSON, names the id: it stands there in plain or with JSON's escapes, and neither
/// a letter nor a digit touches it. Says yes too often rather than too seldom.
[[nodiscard]] bool mentions(std::string_view payload, std::string_view id);

/// Calls `see` for what may be an id in a payload, which may be no JSON and may be cut off: what stands between quotes,
/// and what stands between other signs of JSON or CSV. Ends when `see` returns true, and returns whether it did.
bool any_id_in(std::string_view payload, const std::function<bool(const std::string& id)>& see);

}  // namespace cairn::streaming
