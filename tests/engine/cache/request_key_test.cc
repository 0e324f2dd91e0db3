#include "engine/cache/request_key.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <vector>

namespace {

using namespace cairn;
using cache::key_of;

RecommendRequest some_request() {
  RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};
  request.categories = {"cafe", "bar"};
  request.exclude = {PlaceId("p1"), PlaceId("p2")};
  return request;
}

TEST_CASE("every field that an answer is made of tells requests apart") {
  const std::vector<std::function<void(RecommendRequest*)>> changes = {
      [](auto*) {},
      [](auto* r) { r->user = UserId("v"); },
      [](auto* r) { r->position.reset(); },
      [](auto* r) {
        r->position = GeoPoint{40.7, -74.1};
      },
      [](auto* r) { r->cell = "dr5ru"; },
      [](auto* r) { r->limit = 21; },
      [](auto* r) { r->radius_meters = 100.0; },
      [](auto* r) { r->categories.clear(); },
      [](auto* r) { r->categories = {"cafe"}; },
      [](auto* r) { r->categories = {"cafebar"}; },
      [](auto* r) { r->exclude_categories = {"pub"}; },
      [](auto* r) { r->where = "a"; },
      [](auto* r) { r->where = "b"; },
      [](auto* r) { r->open_at = event_time_from_ms(0); },
      [](auto* r) { r->open_at = event_time_from_ms(60'000); },
      [](auto* r) { r->open_now = true; },
      [](auto* r) { r->open_unknown = true; },
      [](auto* r) { r->only = {PlaceId("p1")}; },
      [](auto* r) { r->attributes = true; },
      [](auto* r) { r->exclude_seen = true; },
      [](auto* r) { r->exclude = {PlaceId("p1")}; },
      [](auto* r) { r->exclude.clear(); },
      [](auto* r) { r->rank = {PlaceId("p1")}; },
      [](auto* r) {
        r->recent = {PlaceId("p1"), PlaceId("p2")};
      },
      [](auto* r) {
        r->recent = {PlaceId("p2"), PlaceId("p1")};
      },  // the latest last
      [](auto* r) { r->max_per_category = 2; },
      [](auto* r) { r->diversity = 0.5; },
      [](auto* r) { r->segment = 0; },
      [](auto* r) { r->explain = false; },
  };
  std::set<std::string> keys;
  for (const auto& change : changes) {
    RecommendRequest request = some_request();
    change(&request);
    const auto key = key_of(request);
    REQUIRE(key);
    CHECK(keys.insert(*key).second);
  }
}

TEST_CASE("the order and repetition of what means a set, and what a caller is content with, tell nothing apart") {
  RecommendRequest other = some_request();
  other.categories = {"bar", "cafe", "bar"};
  other.exclude = {PlaceId("p2"), PlaceId("p1")};
  other.max_staleness = std::chrono::seconds(1);
  other.min_offset = Watermark{"api", {Partition{0}, Offset{3}}};
  other.on_stale = OnStale::kFail;
  CHECK(key_of(other) == key_of(some_request()));
}

TEST_CASE("answers about other moments, further pages, what is drawn and long lists have no key") {
  for (const auto& change : std::vector<std::function<void(RecommendRequest*)>>{
           [](auto* r) { r->time = event_time_from_ms(1); },
           [](auto* r) { r->position_time = event_time_from_ms(1); },
           [](auto* r) { r->cursor = "ab"; },
           [](auto* r) { r->explore = Explore{}; },
           [](auto* r) {
             for (int i = 0; i < 1'000; ++i) r->exclude.push_back(PlaceId("place" + std::to_string(i)));
           },
       }) {
    RecommendRequest request = some_request();
    change(&request);
    CHECK_FALSE(key_of(request));
  }
}

}  // namespace
