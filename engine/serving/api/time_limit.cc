#include "engine/serving/api/time_limit.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>

namespace cairn::serving {
namespace {

using std::chrono::milliseconds;

// A request that names its time is a few hundred bytes; reading this much takes some tens of microseconds.
constexpr std::size_t kReadBytesMax = 64 * 1024;

std::size_t skip_space(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

/// The integer that stands at `at`, as a whole: none for 2.5, 1e3, "250" or what breaks off.
std::optional<std::int64_t> integer_at(std::string_view text, std::size_t at) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
  const auto next = static_cast<std::size_t>(end - text.data());
  const bool ends = next < text.size() && std::string_view(" \t\r\n,}").find(text[next]) != std::string_view::npos;
  return error == std::errc() && ends ? std::optional(number) : std::nullopt;
}

/// The integer that the outermost object gives to a member. Brackets and strings are followed and nothing is validated:
/// that is the parser's business, on another thread.
/// Requires: `body` has no escapes, so that a quote always begins or ends a string.
std::optional<std::int64_t> outer_integer(std::string_view body, std::string_view member) {
  int depth = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    const std::size_t end = body.find('"', i + 1);
    if (end == std::string_view::npos) return std::nullopt;
    if (depth == 1 && body.substr(i + 1, end - i - 1) == member) {
      const std::size_t colon = skip_space(body, end + 1);
      if (colon < body.size() && body[colon] == ':') return integer_at(body, skip_space(body, colon + 1));
    }
    i = end;
  }
  return std::nullopt;
}

}  // namespace

std::optional<milliseconds> time_allowed(const TimeLimit& limit, std::string_view body) {
  if (limit.standard == milliseconds(0)) return std::nullopt;
  if (limit.member.empty()) return limit.standard;
  // A name can be spelled with escapes. The handler reads it then; until it does, the request has all the time there
  // is.
  if (body.find('\\') != std::string_view::npos) return limit.max;
  if (body.find(limit.member) == std::string_view::npos) return limit.standard;
  if (body.size() > kReadBytesMax) return limit.max;
  const std::optional<std::int64_t> named = outer_integer(body, limit.member);
  if (!named || *named < limit.min.count() || *named > limit.max.count()) return limit.standard;
  return std::max(milliseconds(*named), limit.queue_min);
}

milliseconds read_time(json::Fields& fields, const TimeLimit& limit) {
  return milliseconds(
      fields.integer(limit.member, limit.min.count(), limit.max.count()).value_or(limit.standard.count()));
}

}  // namespace cairn::serving
