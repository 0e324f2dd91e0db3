#include "engine/serving/api/conditional.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace cairn::serving {
namespace {

/// The characters of an entity tag between its quotes (section 8.8.3): no space, no control.
bool is_etag_character(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != '"' && byte != 0x7f;
}

std::string_view without_space(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

/// What a tag says, without W/ and with its quotes.
std::string_view opaque(std::string_view tag) noexcept {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return tag;
}

}  // namespace

Reuse while_true(Reuse reuse, std::chrono::milliseconds left, std::chrono::milliseconds age) {
  using std::chrono::floor;
  using std::chrono::seconds;
  // A cache counts from when the answer was made, in whole seconds, as Age says it.
  const seconds longest = floor<seconds>(age) + floor<seconds>(left);
  reuse.max_age = std::min(reuse.max_age, longest);
  reuse.shared_max_age = std::min(reuse.shared_max_age, longest);
  reuse.stale = seconds(0);
  reuse.never_longer = true;
  return reuse;
}

std::string cache_control_of(const Reuse& reuse) {
  const auto directive = [](const char* name, std::chrono::seconds value) {
    return std::string(", ") + name + "=" + std::to_string(value.count());
  };
  std::string value = "public";
  if (reuse.max_age.count() == 0 && reuse.shared_max_age.count() == 0) {
    value += ", no-cache";
  } else {
    value += directive("max-age", reuse.max_age) + directive("s-maxage", reuse.shared_max_age);
    if (reuse.stale.count() > 0) value += directive("stale-while-revalidate", reuse.stale);
  }
  if (reuse.never_longer) value += ", must-revalidate";
  return value;
}

std::string weak_etag_of(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  // Two texts of one address that follow each other meet by chance once in 2^64.
  std::uint64_t hash = std::hash<std::string_view>{}(text);
  std::string tag = "W/\"0000000000000000\"";
  for (std::size_t i = 18; i > 2; --i, hash >>= 4) tag[i] = kDigits[hash & 15u];
  return tag;
}

bool names_etag(std::string_view list, std::string_view etag) noexcept {
  list = without_space(list);
  if (list.starts_with("*")) return without_space(list.substr(1)).empty();
  bool named = false;
  while (!list.empty()) {
    if (list.front() == ',') {  // empty members are allowed (section 5.6.1.2)
      list = without_space(list.substr(1));
      continue;
    }
    const std::size_t quote = list.starts_with("W/") ? 2 : 0;
    if (quote >= list.size() || list[quote] != '"') return false;
    std::size_t end = quote + 1;  // a tag has no escapes
    while (end < list.size() && is_etag_character(list[end])) ++end;
    if (end == list.size() || list[end] != '"') return false;
    named |= opaque(list.substr(0, end + 1)) == opaque(etag);
    list = without_space(list.substr(end + 1));
    if (!list.empty() && list.front() != ',') return false;
  }
  return named;
}

void answer_condition(const ApiRequest& request, ApiResponse* response) {
  if (!request.if_none_match || response->http_code != 200 || response->etag.empty()) return;
  if (request.method != "GET" && request.method != "HEAD") return;
  if (!names_etag(*request.if_none_match, response->etag)) return;
  response->http_code = 304;
  response->shared_body.reset();
  response->body.clear();
}

}  // namespace cairn::serving
