#include "streaming/simdjson/json_text.h"

#include <charconv>
#include <cstdint>
#include <system_error>

namespace cairn::streaming {
namespace {

/// The string literal at the front of `json`, quotes included; all of `json` when it does not end.
std::string_view string_literal(std::string_view json) {
  for (std::size_t i = 1; i < json.size(); ++i) {
    if (json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      return json.substr(0, i + 1);
    }
  }
  return json;
}

/// A JSON integer that neither int64 nor uint64 holds.
bool is_wide_integer(std::string_view token) {
  const char* const begin = token.data();
  const char* const end = begin + token.size();
  std::from_chars_result read{};
  if (token.starts_with('-')) {
    std::int64_t number = 0;
    read = std::from_chars(begin, end, number);
  } else {
    std::uint64_t number = 0;
    read = std::from_chars(begin, end, number);
  }
  return read.ec == std::errc::result_out_of_range && read.ptr == end;
}

}  // namespace

std::string with_wide_integers_as_reals(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 64);
  while (!json.empty()) {
    std::string_view token = json.substr(0, 1);
    if (token == "\"") {
      token = string_literal(json);
    } else if (const std::size_t end = json.find_first_not_of("+-.0123456789eE"); end != 0) {
      token = json.substr(0, end);
    }
    out.append(token);
    if (is_wide_integer(token)) out.append(".0");
    json.remove_prefix(token.size());
  }
  return out;
}

}  // namespace cairn::streaming
