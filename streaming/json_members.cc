#include "streaming/json_members.h"

#include <algorithm>
#include <cstddef>

namespace cairn::streaming {
namespace {

constexpr std::string_view kWhitespace = " \t\n\r";

std::string_view skip(std::string_view text, std::string_view any) {
  text.remove_prefix(std::min(text.find_first_not_of(any), text.size()));
  return text;
}

std::optional<std::size_t> string_end(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> bracket_end(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const auto end = string_end(text.substr(i));
      if (!end) return std::nullopt;
      i += *end - 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> json_value_end(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.front() == '"') return string_end(text);
  if (text.front() == '{' || text.front() == '[') return bracket_end(text);
  const std::size_t end = std::min(text.find_first_of(",:]} \t\n\r"), text.size());
  return end == 0 ? std::nullopt : std::optional(end);
}

std::vector<JsonMember> json_members(std::string_view object) {
  std::vector<JsonMember> members;
  std::string_view rest = skip(object, kWhitespace);
  if (!rest.starts_with('{')) return members;
  rest.remove_prefix(1);
  for (rest = skip(rest, kWhitespace); rest.starts_with('"'); rest = skip(rest, " \t\n\r,")) {
    JsonMember member;
    const auto key = json_value_end(rest);
    if (!key) break;
    member.key = rest.substr(0, *key);
    rest = skip(rest.substr(*key), " \t\n\r:");
    const auto value = json_value_end(rest);
    if (!value) break;
    member.value = rest.substr(0, *value);
    rest.remove_prefix(*value);
    members.push_back(member);
  }
  return members;
}

}  // namespace cairn::streaming
