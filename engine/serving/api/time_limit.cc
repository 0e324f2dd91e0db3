#include "engine/serving/api/time_limit.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "engine/serving/json/value.h"

namespace cairn::serving {
namespace {

using std::chrono::milliseconds;

// A request for recommendations is a few hundred bytes; parsing this much takes some ten microseconds.
constexpr std::size_t kParsedBytesMax = 4096;

/// Whether the body may have the member. A name can also be spelled with escapes, so any backslash counts as perhaps.
bool may_name(std::string_view body, std::string_view member) {
  return body.find(member) != std::string_view::npos || body.find('\\') != std::string_view::npos;
}

/// The member as a count of milliseconds; none when it is absent or no such count, which the handler complains of.
std::optional<milliseconds> named_time(std::string_view body, std::string_view member) {
  const Result<json::Value> value = json::parse(body);
  if (!value.ok()) return std::nullopt;
  const auto* members = value->as<json::Value::Object>();
  if (!members) return std::nullopt;
  const auto found = std::find_if(members->begin(), members->end(),
                                  [member](const json::Member& candidate) { return candidate.name == member; });
  if (found == members->end()) return std::nullopt;
  const auto* count = found->value.as<std::int64_t>();
  return count ? std::optional(milliseconds(*count)) : std::nullopt;
}

}  // namespace

std::optional<milliseconds> time_allowed(const TimeLimit& limit, std::string_view body) {
  if (limit.standard == milliseconds(0)) return std::nullopt;
  if (limit.member.empty() || !may_name(body, limit.member)) return limit.standard;
  if (body.size() > kParsedBytesMax) return limit.max;
  const std::optional<milliseconds> named = named_time(body, limit.member);
  if (!named || *named < limit.min || *named > limit.max) return limit.standard;
  return std::max(*named, limit.queue_min);
}

milliseconds read_time(json::Fields& fields, const TimeLimit& limit) {
  return milliseconds(
      fields.integer(limit.member, limit.min.count(), limit.max.count()).value_or(limit.standard.count()));
}

}  // namespace cairn::serving
