#include "sql/hourly_stats.h"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

Interaction valued(const char* place, std::int64_t ms, std::optional<double> value) {
  Interaction event = interaction(place, ms);
  event.value = value;
  return event;
}

std::vector<HourlyStat> aggregate(const std::vector<Interaction>& events) {
  static const InteractionTypes types;
  std::vector<std::size_t> all(events.size());
  std::iota(all.begin(), all.end(), 0);
  return aggregate_hourly(events, all, types);
}

TEST_CASE("hours are floored, also before 1970") {
  const std::vector<Interaction> events{valued("p", -1, {}), valued("p", 0, {}), valued("p", 3'599'999, {})};
  const std::vector<HourlyStat> stats = aggregate(events);
  REQUIRE(stats.size() == 2);
  CHECK(stats[0].hour.time_since_epoch().count() == -3600);
  CHECK(stats[0].events == 1);
  CHECK(stats[1].hour.time_since_epoch().count() == 0);
  CHECK(stats[1].events == 2);
}

TEST_CASE("0.1 ten times sums to exactly 1, and minimum and maximum ignore events without a value") {
  std::vector<Interaction> events(10, valued("p", 0, 0.1));
  events.insert(events.begin(), valued("p", 0, {}));
  events.push_back(valued("p", 0, -2.0));
  const std::vector<HourlyStat> stats = aggregate(events);
  REQUIRE(stats.size() == 1);
  CHECK(stats[0].events == 12);
  CHECK(stats[0].value_count == 11);
  CHECK(static_cast<std::int64_t>(stats[0].value_sum_micros) == 1'000'000 - 2'000'000);
  CHECK(stats[0].value_min == -2.0);
  CHECK(stats[0].value_max == 0.1);
}

TEST_CASE("rows are sorted by the bytes of the place id") {
  const std::vector<Interaction> events{valued("é", 0, {}), valued("Z", 0, {}), valued("a", 0, {}), valued("z", 0, {})};
  std::string order;
  for (const HourlyStat& stat : aggregate(events)) order += std::string(stat.place) + " ";
  CHECK(order == "Z a z é ");
}

TEST_CASE("the largest doubles are bounded instead of overflowing") {
  CHECK(value_micros(std::numeric_limits<double>::max()) == 9'200'000'000'000'000'000);
  CHECK(value_micros(std::numeric_limits<double>::lowest()) == -9'200'000'000'000'000'000);
  CHECK(value_micros(0.0000005) == 1);
  CHECK(value_micros(-0.0000005) == -1);
  const std::vector<Interaction> events(1000, valued("p", 0, 1e300));
  const std::vector<HourlyStat> stats = aggregate(events);
  CHECK(stats[0].value_sum_micros == static_cast<__int128>(9'200'000'000'000'000'000) * 1000);
}

}  // namespace
}  // namespace cairn::sql
