#include "engine/learning/evaluate/replay.h"

#include <doctest/doctest.h>

#include <cmath>

namespace {

using namespace cairn;

constexpr std::int64_t kHour = 3'600'000;

Interaction visit(const char* user, const char* place, std::int64_t hour) {
  return {UserId(user), PlaceId(place), TypeIndex{2}, event_time_from_ms(hour * kHour), {}, {}, {}};
}

const learning::NextPlaceMetrics& of(const learning::ReplayReport& report, std::string_view method) {
  for (const auto& metrics : report.metrics) {
    if (metrics.method == method) return metrics;
  }
  FAIL("no method ", method);
  return report.metrics[0];
}

/// Four places in a row, a kilometre apart.
datasets::Dataset town() {
  datasets::Dataset dataset;
  dataset.name = "town";
  for (int i = 0; i < 4; ++i) {
    dataset.places.push_back({PlaceId(std::string(1, static_cast<char>('a' + i))), "", {40.0 + i / 111.195, 0.0}, ""});
  }
  return dataset;
}

TEST_CASE("the baselines are what a person counts on paper") {
  datasets::Dataset dataset = town();
  dataset.interactions = {visit("u", "a", 0), visit("u", "b", 1), visit("u", "b", 2), visit("v", "d", 3),
                          visit("u", "c", 4)};
  learning::ReplayOptions options;
  options.ask_from_fraction = 0.0;
  const auto report = learning::replay(dataset, options);
  REQUIRE_MESSAGE(report.ok(), report.status().to_string());
  // Asked: u at hour 1 (from a, truth b), at hour 2 (from b, truth b), at hour 4 (from b, truth c). v has no past.
  CHECK(report->questions == 3);
  // Nearest: from a, b is second; from b, b is first; from b, a and c are equally far in second and third: 2.5, but
  // for the rounding of distances, which may tell them apart.
  const auto& nearest = of(*report, "nearest");
  CHECK(nearest.acc_at_1 == doctest::Approx(1.0 / 3));
  CHECK(nearest.mrr == doctest::Approx((0.5 + 1.0 + 1 / 2.5) / 3).epsilon(0.05));
  // Own history: b unseen among b, c, d behind a: (2 + 4) / 2 = 3; then b and a lead with one each: 1.5; then c is
  // one of two unseen behind b and a: 3.5.
  const auto& own = of(*report, "own_history");
  CHECK(own.acc_at_1 == 0.0);
  CHECK(own.acc_at_5 == 1.0);
  CHECK(own.mrr == doctest::Approx((1 / 3.0 + 1 / 1.5 + 1 / 3.5) / 3));
}

TEST_CASE("nothing of the truth leaks: an answer for the past does not change with the future") {
  datasets::Dataset dataset = town();
  for (int i = 0; i < 40; ++i) dataset.interactions.push_back(visit(i % 3 ? "u" : "v", i % 2 ? "a" : "c", i));
  learning::ReplayOptions options;
  options.ask_from_time = event_time_from_ms(20 * kHour);
  datasets::Dataset cut = dataset;
  cut.interactions.resize(30);
  const auto whole = learning::replay(dataset, options);
  const auto part = learning::replay(cut, options);
  REQUIRE(whole.ok());
  REQUIRE(part.ok());
  CHECK(whole->questions == 20);
  CHECK(part->questions == 10);
  cut.interactions.back() = visit("u", "d", 29);  // the last truth is another: its question is answered as before
  const auto other = learning::replay(cut, options);
  CHECK(std::abs(of(*other, "cairn").mrr - of(*part, "cairn").mrr) <= 1.0 / 10);
}

TEST_CASE("a dataset with nothing to ask is refused") {
  datasets::Dataset dataset = town();
  CHECK_FALSE(learning::replay(dataset, {}).ok());
  dataset.interactions = {visit("u", "a", 0)};
  CHECK_FALSE(learning::replay(dataset, {}).ok());
}

}  // namespace
