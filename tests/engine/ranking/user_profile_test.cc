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

  /// What one user did with places of category 5 in cell_of(`where`), as (type, place, hours since Monday).
  struct Deed {
    TypeIndex type;
    std::uint64_t place;
    double hours;
  };
  features::Row row_of(const features::Schema& of, const std::vector<Deed>& deeds, GeoPoint where) {
    features::DeltaAccumulator deltas(of);
    for (const Deed& deed : deeds) {
      Interaction one{UserId("u"), PlaceId("x"),
                      deed.type,   event_time_from_ms(kMonday + static_cast<std::int64_t>(deed.hours * kHour)),
                      4.0,         {},
                      {}};
      deltas.add({&one, deed.place, 5, features::cell_of(where, std::nullopt)});
    }
    for (auto& delta : deltas.take()) {
      if (static_cast<EntityKind>(delta.key[0]) == EntityKind::kUser) return delta.row;
    }
    return {};
  }

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
  // The days of a week around its end: Friday and Monday are workdays, Saturday and Sunday are not.
  const auto kinds_agree = [&](double visited, double asked) {
    return habit_of(&f, f.row({{0, visited}}), 0, asked, &C::hour_same_kind_of_day) > 1.0;
  };
  CHECK(kinds_agree(129.0, 153.0));        // Saturday, Sunday
  CHECK_FALSE(kinds_agree(105.0, 129.0));  // Friday, Saturday
  CHECK_FALSE(kinds_agree(153.0, 177.0));  // Sunday, Monday
  CHECK(kinds_agree(105.0, 177.0));        // Friday, Monday
  // 23:30 and 00:30 are an hour apart, but not on one day.
  CHECK(habit_of(&f, f.row({{0, 23.5}}), 0, 24.5, &C::same_day) == 1.0);
  CHECK(habit_of(&f, f.row({{0, 24.5}}), 0, 47.5, &C::same_day) == doctest::Approx(kE));
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
  // -0.742716 - 0.407839 * 0.693147 + 1.356961 + 0.281249 + 0.731407 = 1.344208, less 1.484379 * e^-24; e^1.344208.
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, ranking::default_ranker().habit,
                                                event_time_from_ms(kMonday + 33 * kHour));
  CHECK(profile.visited.at(0).habit == doctest::Approx(3.83515).epsilon(1e-5));
}

TEST_CASE("what several visits say adds up by place and in all") {
  Fixture f;
  // home on Monday 09:00, work on Monday 12:00, home on Saturday 10:00; asked on the Monday after at 09:00.
  const features::Row row = f.row({{0, 9.0}, {1, 12.0}, {0, 130.0}});
  const UserProfile profile =
      read_user_profile(f.schema, &row, f.index, HabitCoefficients{}, event_time_from_ms(kMonday + 177 * kHour));
  const ranking::VisitedPlace* home = profile.find_row(f.index.row_of(0));
  const ranking::VisitedPlace* work = profile.find_row(f.index.row_of(1));
  REQUIRE(home != nullptr);
  REQUIRE(work != nullptr);
  CHECK(home->visits == 2);
  CHECK(home->newest_ms == kMonday + 130 * kHour);
  CHECK(home->habit == 2.0);  // exp(0) for each
  CHECK(work->habit == 1.0);
  // 168, 47 and 165 hours ago.
  CHECK(home->recent == doctest::Approx(1.323726949863).epsilon(1e-9));  // 2^(-168/168) + 2^(-47/168)
  CHECK(work->recent == doctest::Approx(0.506227274049).epsilon(1e-9));  // 2^(-165/168)
  CHECK(profile.recent_total == doctest::Approx(1.829954223912).epsilon(1e-9));
  CHECK(profile.monthly_total == doctest::Approx(2.659555972968).epsilon(1e-9));  // halving in 720 hours
  // No hour off; an hour off (width 0.7) and a quarter for the other kind of day; three hours off.
  CHECK(home->same_hour == doctest::Approx(0.936792670609).epsilon(1e-9));
  CHECK(work->same_hour == doctest::Approx(0.000087618386).epsilon(1e-6));
  CHECK(profile.same_hour_total == doctest::Approx(0.936880288995).epsilon(1e-9));
  // No hour of the week off; 47 hours off, which is nothing at a width of 2; three hours off: e^(-9/8).
  CHECK(home->same_week_hour == doctest::Approx(1.0));
  CHECK(work->same_week_hour == doctest::Approx(0.324652467358).epsilon(1e-9));
  CHECK(profile.same_week_hour_total == doctest::Approx(1.324652467358).epsilon(1e-9));
  CHECK(profile.last_place == 0);
  CHECK(profile.last_row == f.index.row_of(0));
  CHECK(profile.last_ms == kMonday + 130 * kHour);
  CHECK(profile.hours_since_last == 47.0);
}

TEST_CASE("visits at one moment are as many visits") {
  Fixture f;
  const features::Row row = f.row({{0, 9.0}, {0, 9.0}, {0, 9.0}});
  const UserProfile profile =
      read_user_profile(f.schema, &row, f.index, HabitCoefficients{}, event_time_from_ms(kMonday + 9 * kHour));
  CHECK(profile.visited.at(0).visits == 3);
  CHECK(profile.monthly_total == 3.0);
}

TEST_CASE("a visit after the moment asked for counts as if it were at it") {
  Fixture f;
  const features::Row row = f.row({{0, 19.0}});  // Monday 19:00, asked on Monday 09:00
  const EventTime asked = event_time_from_ms(kMonday + 9 * kHour);
  HabitCoefficients hours;
  hours.hour_close = 1.0;
  hours.age = 1.0;
  const UserProfile profile = read_user_profile(f.schema, &row, f.index, hours, asked);
  const ranking::VisitedPlace& visited = profile.visited.at(0);
  CHECK(visited.habit == doctest::Approx(kE));  // no age, and no hour off
  CHECK(visited.recent == 1.0);
  CHECK(visited.same_hour == 1.0);
  CHECK(visited.same_week_hour == 1.0);
  CHECK(profile.monthly_total == 1.0);
  CHECK(profile.hours_since_last == 0.0);
  HabitCoefficients fresh;
  fresh.hour_when_fresh = 1.0;  // the bell is 1, and the user is there just now: e^1, and not e^(e^10)
  CHECK(read_user_profile(f.schema, &row, f.index, fresh, asked).visited.at(0).habit == doctest::Approx(kE));
}

TEST_CASE("a gap counts by its ratio to the gap since the last visit") {
  Fixture f;
  // home at 8, work an hour later; asked three hours after that, floor 0.5: d = ln(1.5 / 3.5) = -0.8472979,
  // G = e^(-d^2/2) = 0.698404, e^G = 2.010542325.
  const features::Row row = f.row({{0, 8.0}, {1, 9.0}});
  HabitCoefficients gap;
  gap.same_gap = 1.0;
  gap.gap_floor_hours = 0.5;
  const EventTime now = event_time_from_ms(kMonday + 12 * kHour);
  const auto habit_of_work = [&](const HabitCoefficients& c, const features::Row& of) {
    return read_user_profile(f.schema, &of, f.index, c, now).find_row(f.index.row_of(1))->habit;
  };
  CHECK(habit_of_work(gap, row) == doctest::Approx(2.010542325).epsilon(1e-9));
  // The same weighs for same_start_and_gap, but only where the step began at the place of the last visit.
  HabitCoefficients start_and_gap;
  start_and_gap.same_start_and_gap = 1.0;
  start_and_gap.gap_floor_hours = 0.5;
  CHECK(habit_of_work(start_and_gap, row) == 1.0);  // it began at home, and the last visit is to work
  const features::Row at_work = f.row({{1, 8.0}, {1, 9.0}});
  CHECK(habit_of_work(start_and_gap, at_work) == doctest::Approx(1.0 + 2.010542325).epsilon(1e-9));
}

TEST_CASE("a start near the last place counts less the longer ago the last visit is") {
  Fixture f;
  const features::Row row = f.row({{1, 7.0}, {1, 8.0}});  // asked at 10: fresh is e^-2 = 0.135335
  using C = HabitCoefficients;
  // The first visit has nothing before it (1); the second e^0.135335 = 1.144920593.
  CHECK(habit_of(&f, row, 1, 10.0, &C::near_start) == doctest::Approx(2.144920593).epsilon(1e-9));
  CHECK(habit_of(&f, row, 1, 10.0, &C::same_start) == doctest::Approx(2.144920593).epsilon(1e-9));
}

TEST_CASE("looks, saves and dismissals are kept apart and fade each in its own time") {
  Fixture f;
  const TypeIndex view{0};
  const TypeIndex click{1};
  const TypeIndex visit{2};
  const TypeIndex rate{3};
  const TypeIndex save{4};
  const TypeIndex dismiss{5};
  const GeoPoint here{40.7, -74.0};
  const features::Row row = f.row_of(f.schema,
                                     {{view, 10, 0.0},
                                      {click, 11, 0.0},
                                      {save, 12, 0.0},
                                      {view, 12, 0.0},
                                      {dismiss, 13, 0.0},
                                      {visit, 14, 0.0},
                                      {rate, 15, 0.0}},
                                     here);
  // 14 days later.
  const UserProfile profile =
      read_user_profile(f.schema, &row, f.index, HabitCoefficients{}, event_time_from_ms(kMonday + 14 * 24 * kHour));
  REQUIRE(profile.interest.size() == 3);  // halved in 14 days
  CHECK(profile.interest.of(10) == doctest::Approx(0.1));
  CHECK(profile.interest.of(11) == doctest::Approx(0.25));
  CHECK(profile.interest.of(12) == doctest::Approx(1.1));
  REQUIRE(profile.dismissed.size() == 1);
  CHECK(profile.dismissed.of(13) == doctest::Approx(0.897786585));  // 2^(-14/90)
  // A visit and a rating, of category 5 in one cell: 2 * 2^(-14/30).
  REQUIRE(profile.categories.size() == 1);
  CHECK(profile.categories.of(5) == doctest::Approx(1.447269237));
  REQUIRE(profile.cells.size() == 1);
  CHECK(profile.cells.contains(f.index.cell(f.index.row_of(0))));  // home is there: 40.7, -74
  CHECK(profile.cells_total == doctest::Approx(1.447269237));
  CHECK(profile.visited.size() == 2);
}

TEST_CASE("what is older than a view's TTL is not read") {
  Fixture f;
  std::vector<FeatureViewSpec> specs = builtin_feature_views();
  for (FeatureViewSpec& spec : specs) {
    if (spec.name == "user_interest") spec.ttl = std::chrono::hours(24);
  }
  features::ViewRegistry registry;
  const features::Schema schema = *features::Schema::build(specs, f.types, &registry);
  const TypeIndex save{4};
  const features::Row row = f.row_of(schema, {{save, 10, 0.0}, {save, 11, 1.0}}, {40.7, -74.0});
  const UserProfile profile =
      read_user_profile(schema, &row, f.index, HabitCoefficients{}, event_time_from_ms(kMonday + 25 * kHour));
  CHECK_FALSE(profile.interest.contains(10));
  CHECK(profile.interest.contains(11));
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
