#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace cairn::streaming {

/// A member of a JSON object as it stands in the text. Views into it.
struct JsonMember {
  std::string_view key;    ///< quotes and escapes included
  std::string_view value;  ///< as it was written: "1001.0", not the number that it means
};

/// The members of an object, in order. What is inside of them is not looked at.
/// Requires: `object` is a valid JSON object; what is answered for other text means nothing.
[[nodiscard]] std::vector<JsonMember> json_members(std::string_view object);

/// Where the JSON value at the front of `text` ends: the end of its string, the bracket that closes it, or what follows
/// a number or word. It is delimited, not validated.
/// Returns: nullopt when it does not end.
[[nodiscard]] std::optional<std::size_t> json_value_end(std::string_view text);

}  // namespace cairn::streaming
