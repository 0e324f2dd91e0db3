#include "engine/cache/request_key.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cache/bytes.h"

namespace cairn::cache {

namespace {

constexpr std::size_t kBytesMax = 4096;

void write_list(const std::vector<std::string_view>& values, ByteWriter* bytes) {
  bytes->number(static_cast<std::uint32_t>(values.size()));
  for (const std::string_view value : values) bytes->text(value);
}

void write_set(std::vector<std::string_view> values, ByteWriter* bytes) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  write_list(values, bytes);
}

std::vector<std::string_view> texts(const std::vector<PlaceId>& ids) {
  std::vector<std::string_view> views;
  views.reserve(ids.size());
  for (const PlaceId& id : ids) views.push_back(id.str());
  return views;
}

}  // namespace

std::optional<std::string> key_of(const RecommendRequest& request) {
  if (request.time || request.position_time || request.explore || !request.cursor.empty()) return std::nullopt;
  ByteWriter bytes;
  bytes.text(request.user.str());
  bytes.number(request.position.has_value());
  if (request.position) {
    // 0.0 and -0.0 are one place.
    bytes.number(request.position->lat + 0.0);
    bytes.number(request.position->lon + 0.0);
  }
  bytes.text(request.cell);  // the answer says it
  bytes.number(static_cast<std::uint64_t>(request.limit));
  bytes.maybe(request.radius_meters);
  write_set({request.categories.begin(), request.categories.end()}, &bytes);
  write_set({request.exclude_categories.begin(), request.exclude_categories.end()}, &bytes);
  bytes.text(request.where);
  bytes.maybe(request.open_at ? std::optional(to_ms(*request.open_at)) : std::nullopt);
  bytes.number(request.open_now);
  bytes.number(request.open_unknown);
  write_set(texts(request.only), &bytes);
  bytes.number(request.attributes);
  bytes.number(request.exclude_seen);
  write_set(texts(request.exclude), &bytes);
  write_set(texts(request.rank), &bytes);
  write_list(texts(request.recent), &bytes);
  bytes.number(static_cast<std::uint64_t>(request.max_per_category));
  bytes.number(request.diversity);
  bytes.maybe(request.segment);
  bytes.number(request.explain);
  std::string key = std::move(bytes).take();
  if (key.size() > kBytesMax) return std::nullopt;
  return key;
}

}  // namespace cairn::cache
