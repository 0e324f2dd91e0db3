#include "engine/ranking/user_profile.h"

#include <doctest/doctest.h>

#include "cairn/engine.h"
#include "tests/features/delta_accumulator.h"

namespace {

using namespace cairn;
using ranking::HabitCoefficients;
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
  CHECK_FALSE(read_user_profile(f.schema, nullptr, f.index, ranking::default_ranker().habit, EventTime{}).known);
}

/// The habit of the user for a place when one coefficient is 1 and all others are 0, so that the kernel of a visit is
/// exp() of that coefficient's own part and each part can be worked out by hand.
double habit_of(Fixture* f, const features::Row& row, std::uint64_t place, double asked_hours,
                double HabitCoefficients::*coefficient) {
  HabitCoefficients one;
  one.*coefficient = 1.0;
  const UserProfile profile = read_user_profile(
      f->schema, &row, f->index, one, event_time_from_ms(kMonday + static_cast<std::int64_t>(asked_hours * kHour)));
  const ranking::VisitedPlace* visited = profile.find_row(f->index.row_of(place));
  REQUIRE(visited != nullptr);
  return visited->habit;
}

constexpr double kE = 2.718281828459045;

TEST_CASE("a single visit is read for the moment asked for") {
  Fixture f;
  const features::Row row = f.row({{0, 9.0}});  // Monday 09:00
  // Asked on Tuesday at the same hour: a day later.
  const UserProfile profile =
      read_user_profile(f.schema, &row, f.index, HabitCoefficients{}, event_time_from_ms(kMonday + 33 * kHour));
  REQUIRE(profile.visited.size() == 1);
  const auto& visited = profile.visited[0];
  CHECK(visited.visits == 1);
  CHECK(visited.habit == 1.0);  // exp(0): no coefficient, no opinion
  CHECK(profile.hours_since_last == doctest::Approx(24.0));
  CHECK(profile.last_place == 0);
  CHECK(visited.recent == doctest::Approx(0.905723664));           // the 7th root of 1/2
  CHECK(visited.same_hour == doctest::Approx(0.977159968));        // the 30th root of 1/2
  CHECK(visited.same_week_hour == doctest::Approx(5.380186e-32));  // 24 hours off, width 2: e^-72
  CHECK(profile.monthly_total == doctest::Approx(0.977159968));
}

TEST_CASE("each part of the habit kernel weighs a visit as it says") {
  Fixture f;
  using C = HabitCoefficients;
  const features::Row row = f.row({{0, 9.0}});  // Monday 09:00
  // Tuesday 09:00: a day later, no hour off, another day of the week, both workdays, 24 hours since the last visit.
  const auto tuesday = [&](double C::*coefficient) { return habit_of(&f, row, 0, 33.0, coefficient); };
  CHECK(tuesday(&C::constant) == doctest::Approx(kE));
  CHECK(tuesday(&C::age) == doctest::Approx(2.0));  // exp(ln(1 + 1 day))
  CHECK(tuesday(&C::hour_close) == doctest::Approx(kE));
  CHECK(tuesday(&C::hour_wide) == doctest::Approx(kE));
  CHECK(tuesday(&C::same_day) == 1.0);
  CHECK(tuesday(&C::hour_same_kind_of_day) == doctest::Approx(kE));
  CHECK(tuesday(&C::same_gap) == 1.0);  // nothing came before
  CHECK(tuesday(&C::same_start) == 1.0);
  // Monday 10:00: an hour off, which is one width, so the bell is e^-1/2 = 0.60653; e^0.60653 = 1.834057.
  const auto later = [&](double C::*coefficient) { return habit_of(&f, row, 0, 10.0, coefficient); };
  CHECK(later(&C::hour_close) == doctest::Approx(1.834057379));
  CHECK(later(&C::hour_wide) == doctest::Approx(1.834057379));
  CHECK(later(&C::same_day) == doctest::Approx(kE));
  // The bell and an hour since the last visit: e^-1/2 * e^-1 = e^-3/2 = 0.22313; e^0.22313 = 1.249982.
  CHECK(later(&C::hour_when_fresh) == doctest::Approx(1.249982).epsilon(1e-5));
  // Saturday 09:00: a workday's visit and a weekend's question.
  CHECK(habit_of(&f, row, 0, 129.0, &C::hour_same_kind_of_day) == 1.0);
}

TEST_CASE("a step taken before counts for taking it again") {
  Fixture f;
  using C = HabitCoefficients;
  // home at 8, work at 9, home at 32. Asked at 33: work is what came after home last time, after one hour as now.
  const features::Row row = f.row({{0, 8.0}, {1, 9.0}, {0, 32.0}});
  const auto work = [&](double C::*coefficient) { return habit_of(&f, row, 1, 33.0, coefficient); };
  CHECK(work(&C::same_gap) == doctest::Approx(kE));
  CHECK(work(&C::same_start) == doctest::Approx(1.444667861));  // fresh is e^-1 = 0.36788; e^0.36788 = 1.444668
  CHECK(work(&C::near_start) == doctest::Approx(1.444667861));  // the same place is as near as can be
  CHECK(work(&C::same_start_and_gap) == doctest::Approx(kE));
  CHECK(work(&C::same_second) == 1.0);  // only one visit came before work
  // Another round: work, home, work, home. Both steps into work came from home, the second also from work before that,
  // as now.
  const features::Row rounds = f.row({{1, 7.0}, {0, 8.0}, {1, 9.0}, {0, 10.0}});
  CHECK(habit_of(&f, rounds, 1, 11.0, &C::same_second) == doctest::Approx(1.0 + kE));
}

TEST_CASE("a start near the last place counts by its distance, and an unknown one not at all") {
  Fixture f;
  // Into home from work, 0.05 degrees of latitude away: 5,559.754 m on a sphere of 6,371,008.77 m. The last visit is
  // home.
  const features::Row row = f.row({{1, 7.0}, {0, 8.0}});
  HabitCoefficients near;
  near.near_start = 1.0;
  near.near_start_meters = 5'559.754;
  const EventTime now = event_time_from_ms(kMonday + 8 * kHour);  // at the last visit, so fresh is 1
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, near, now);
  // One scale away: 1 / (1 + 1) = 1/2, and e^1/2 = 1.648721.
  CHECK(profile.find_row(f.index.row_of(0))->habit == doctest::Approx(1.648721271));
  const features::Row from_nowhere = f.row({{77, 7.0}, {0, 8.0}});
  CHECK(read_user_profile(f.schema, &from_nowhere, f.index, near, now).find_row(f.index.row_of(0))->habit == 1.0);
}

TEST_CASE("the kernel that ships weighs a visit of yesterday at this hour") {
  Fixture f;
  const features::Row row = f.row({{0, 9.0}});
  // -0.448759 - 0.480486 * 0.693147 + 1.2375 + 0.234406 + 0.691753 = 1.381852, less 1.292278 * e^-24; e^1.381852.
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, ranking::default_ranker().habit,
                                                event_time_from_ms(kMonday + 33 * kHour));
  CHECK(profile.visited.at(0).habit == doctest::Approx(3.98227189));
}

TEST_CASE("hours wrap around midnight and around the week") {
  Fixture f;
  const features::Row row = f.row({{0, 167.5}});  // Sunday 23:30
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, ranking::default_ranker().habit,
                                                event_time_from_ms(kMonday + 169 * kHour));
  const auto& visited = profile.visited.at(0);  // asked on Monday 01:00, an hour and a half later: e^(-9/32)
  CHECK(visited.same_week_hour == doctest::Approx(0.754839602));
}

TEST_CASE("a visit to a place outside the catalogue has no row and is found by none") {
  Fixture f;
  const features::Row row = f.row({{77, 9.0}});
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, ranking::default_ranker().habit,
                                                event_time_from_ms(kMonday + 10 * kHour));
  CHECK(profile.last_row == gpu::kNoRow);
  CHECK(profile.find_row(gpu::kNoRow) == nullptr);
}

}  // namespace
