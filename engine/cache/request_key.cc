#include "engine/cache/request_key.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cairn::cache {

namespace {

/// Writes values one behind the other, so that no two sequences of values give the same bytes.
class Bytes {
 public:
  template <class Number>
  void number(Number value) {
    static_assert(std::is_arithmetic_v<Number>);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    text_.append(bytes, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    text_ += value;
  }
  template <class Number>
  void maybe(const std::optional<Number>& value) {
    number(value.has_value());
    if (value) number(*value);
  }
  void list(const std::vector<std::string_view>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    for (const std::string_view value : values) text(value);
  }
  void set(std::vector<std::string_view> values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    list(values);
  }

  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  std::string text_;
};

std::vector<std::string_view> texts(const std::vector<PlaceId>& ids) {
  std::vector<std::string_view> views;
  views.reserve(ids.size());
  for (const PlaceId& id : ids) views.push_back(id.str());
  return views;
}

}  // namespace

std::optional<std::string> key_of(const RecommendRequest& request) {
  if (request.time || request.position_time || request.explore || !request.cursor.empty()) return std::nullopt;
  Bytes bytes;
  bytes.text(request.user.str());
  bytes.number(request.position.has_value());
  if (request.position) {
    // 0.0 and -0.0 are one place.
    bytes.number(request.position->lat + 0.0);
    bytes.number(request.position->lon + 0.0);
  }
  bytes.number(static_cast<std::uint64_t>(request.limit));
  bytes.maybe(request.radius_meters);
  bytes.set({request.categories.begin(), request.categories.end()});
  bytes.number(request.exclude_seen);
  bytes.set(texts(request.exclude));
  bytes.set(texts(request.rank));
  bytes.list(texts(request.recent));
  bytes.number(static_cast<std::uint64_t>(request.max_per_category));
  bytes.number(request.diversity);
  bytes.maybe(request.segment);
  bytes.number(request.explain);
  return std::move(bytes).take();
}

}  // namespace cairn::cache
