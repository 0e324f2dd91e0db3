#include "engine/ranking/user_profile.h"

#include <doctest/doctest.h>

#include <cmath>

#include "cairn/engine.h"
#include "features/delta.h"

namespace {

using namespace cairn;
using ranking::PlaceIndex;
using ranking::read_user_profile;
using ranking::UserProfile;

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kMonday = 4 * 24 * kHour;  // 1970-01-05 00:00 UTC

struct Fixture {
  features::ViewRegistry registry;
  InteractionTypes types;
  features::Schema schema = *features::Schema::build(builtin_feature_views(), types, &registry);
  PlaceIndex index{
      {{0, 1, {PlaceId("home"), "", {40.70, -74.0}, ""}}, {1, 1, {PlaceId("work"), "", {40.75, -74.0}, ""}}},
      features::Dictionary(),
      1};

  /// Visits of one user as (place, hours since Monday).
  features::Row row(const std::vector<std::pair<std::uint64_t, double>>& visits) {
    features::DeltaAccumulator deltas(schema);
    for (const auto& [place, hours] : visits) {
      Interaction one{UserId("u"),
                      PlaceId("x"),
                      TypeIndex{2},
                      event_time_from_ms(kMonday + static_cast<std::int64_t>(hours * kHour)),
                      {},
                      {},
                      {}};
      deltas.add({&one, place, std::nullopt, std::nullopt});
    }
    for (auto& delta : deltas.take()) {
      if (static_cast<EntityKind>(delta.key[0]) == EntityKind::kUser) return delta.row;
    }
    return {};
  }
};

TEST_CASE("an unknown user has an empty profile") {
  Fixture f;
  CHECK_FALSE(read_user_profile(f.schema, nullptr, f.index, EventTime{}).known);
}

TEST_CASE("a single visit weighs what its kernel says") {
  Fixture f;
  const features::Row row = f.row({{0, 9.0}});
  // Asked on the next day at the same hour: 1 day old, same hour, same kind of day (Tuesday), another day of the week.
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, event_time_from_ms(kMonday + 33 * kHour));
  REQUIRE(profile.visited.size() == 1);
  const auto& visited = profile.visited[0];
  CHECK(visited.visits == 1);
  CHECK(profile.hours_since_last == doctest::Approx(24.0));
  CHECK(profile.last_place == 0);
  const double fresh = std::exp(-24.0);
  const double z = -0.448759 - 0.480486 * std::log(2.0) + 1.2375 + 0.234406 - 1.292278 * fresh + 0.691753;
  CHECK(visited.habit == doctest::Approx(std::exp(z)));
  CHECK(visited.recent == doctest::Approx(std::exp2(-1.0 / 7.0)));
  CHECK(visited.same_hour == doctest::Approx(std::exp2(-1.0 / 30.0)));
  CHECK(visited.same_week_hour == doctest::Approx(std::exp(-24.0 * 24.0 / 8.0)));
  CHECK(profile.monthly_total == doctest::Approx(std::exp2(-1.0 / 30.0)));
}

TEST_CASE("a step taken before counts for taking it again") {
  Fixture f;
  // home at 8, work at 9, home at 32: asked at 33, work is what came after home last time, with the same gap.
  const features::Row row = f.row({{0, 8.0}, {1, 9.0}, {0, 32.0}});
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, event_time_from_ms(kMonday + 33 * kHour));
  const ranking::VisitedPlace* work = profile.find_row(f.index.row_of(1));
  REQUIRE(work != nullptr);
  const double fresh = std::exp(-1.0);
  const double base = -0.448759 - 0.480486 * std::log1p(1.0) + 1.2375 + 0.234406 - 1.292278 * fresh + 0.691753;
  const double step = 1.0011 + 0.889707 * fresh + 0.953198 * fresh + 0.5747;
  CHECK(work->habit == doctest::Approx(std::exp(base + step)));
}

TEST_CASE("hours wrap around midnight and around the week") {
  Fixture f;
  const features::Row row = f.row({{0, 167.5}});  // Sunday 23:30
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, event_time_from_ms(kMonday + 169 * kHour));
  const auto& visited = profile.visited.at(0);  // asked on Monday 01:00, an hour and a half later
  CHECK(visited.same_week_hour == doctest::Approx(std::exp(-1.5 * 1.5 / 8.0)));
}

TEST_CASE("a visit to a place outside the catalogue has no row and is found by none") {
  Fixture f;
  const features::Row row = f.row({{77, 9.0}});
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, event_time_from_ms(kMonday + 10 * kHour));
  CHECK(profile.last_row == gpu::kNoRow);
  CHECK(profile.find_row(gpu::kNoRow) == nullptr);
}

}  // namespace
