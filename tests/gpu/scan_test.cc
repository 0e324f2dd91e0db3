#include "gpu/scan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "cairn/geo.h"
#include "tests/gpu/backends.h"
#include "tests/gpu/scan_oracle.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;
using cairn::GeoPoint;
using cairn::StatusCode;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<ScanAnswer> answers_of(const ScanTable& table, std::span<const ScanQuery> queries) {
  std::vector<ScanAnswer> answers;
  const cairn::Status status = table.scan(queries, &answers);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return answers;
}

/// A world on one backend.
struct OnBackend {
  OnBackend(Backend& backend, const ScanWorld& world)
      : table(backend.make_scan_table(world.rows()).value()),
        prior(table->make_column(world.prior).value()),
        logs(table->make_column(world.logs).value()) {}

  [[nodiscard]] ScanQuery query(const OwnedScanQuery& owned) const {
    ScanQuery query = owned.query();
    if (owned.has_prior) query.prior = prior.get();
    if (owned.has_logs) query.logs = logs.get();
    return query;
  }

  std::unique_ptr<ScanTable> table;
  std::unique_ptr<ScanColumn> prior;
  std::unique_ptr<ScanColumn> logs;
};

/// Checks that every row has a score and that none is further from the true one than kScanError allows.
void check_scores(const OnBackend& on, const ScanWorld& world, OwnedScanQuery owned) {
  owned.k = world.count();
  const ScanQuery query = on.query(owned);
  const auto answers = answers_of(*on.table, {&query, 1});
  REQUIRE(answers[0].rows.size() == world.count());
  const double vector_error = static_cast<double>(on.table->vector_error(query.vector));
  for (std::size_t i = 0; i < world.count(); ++i) {
    const std::size_t row = answers[0].rows[i];
    const TrueScore truth = true_score(world, owned, row, vector_error);
    const double off = std::abs(static_cast<double>(answers[0].scores[i]) - truth.score);
    if (off <= truth.error) continue;
    INFO("row ", row, " scores ", answers[0].scores[i], ", truly ", truth.score, " +- ", truth.error, "; ", truth.km,
         " km from (", owned.position.lat, ", ", owned.position.lon, ")");
    REQUIRE(off <= truth.error);
  }
}

void check_same(const ScanAnswer& found, const ScanAnswer& expected) {
  CHECK(found.passed == expected.passed);
  CHECK(found.rim == expected.rim);
  REQUIRE(found.rows.size() == expected.rows.size());
  CHECK(found.rows == expected.rows);
  CHECK(same_bits(found.scores, expected.scores));
}

/// A table of rows that differ in nothing but what the test sets.
ScanWorld plain_world(std::size_t count) {
  ScanWorld world;
  world.positions.assign(count, GeoPoint{45.0, 9.0});
  world.tags.assign(count, 0);
  world.tag_count = 1;
  world.prior.assign(count, 0.0F);
  world.logs.assign(count, 1.0F);
  world.fix_points();
  return world;
}

TEST_CASE("every score lies within the stated error of the true one, wherever places and users are") {
  for (const std::uint32_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    for (const VectorKind vectors : {VectorKind::kNone, VectorKind::kFp32, VectorKind::kInt8}) {
      const ScanWorld world = random_world(random, 1500, vectors);
      std::vector<OwnedScanQuery> queries;
      for (int i = 0; i < 4; ++i) queries.push_back(random_query(random, world, ScanFilters::kNone));
      for (const auto& backend : all_backends()) {
        INFO(std::string(backend->name()));
        const OnBackend on(*backend, world);
        for (const OwnedScanQuery& query : queries) check_scores(on, world, query);
      }
    }
  }
}

/// What the definition selects from the scores of all rows, which the scalar kernels give without a filter.
std::vector<ScanAnswer> expected_answers(const ScanWorld& world, std::span<const OwnedScanQuery> owned) {
  const auto judge = make_cpu_backend({.instruction_set = InstructionSet::kScalar, .threads = 1}).value();
  const OnBackend on(*judge, world);
  std::vector<ScanAnswer> expected;
  for (const OwnedScanQuery& one : owned) {
    ScanQuery all = on.query(one);
    all.ranges.reset();
    all.allowed.reset();
    all.excluded = {};
    all.radius_km = kInfinity;
    all.k = world.count();
    expected.push_back(defined_answer(world, one, answers_of(*on.table, {&all, 1})[0]));
  }
  return expected;
}

void check_answers(const std::vector<std::unique_ptr<Backend>>& backends, const ScanWorld& world,
                   std::span<const OwnedScanQuery> owned) {
  const std::vector<ScanAnswer> expected = expected_answers(world, owned);
  for (const auto& backend : backends) {
    INFO(std::string(backend->name()));
    const OnBackend on(*backend, world);
    std::vector<ScanQuery> queries;
    for (const OwnedScanQuery& one : owned) queries.push_back(on.query(one));
    const auto answers = answers_of(*on.table, queries);
    REQUIRE(answers.size() == queries.size());
    for (std::size_t q = 0; q < queries.size(); ++q) {
      INFO("query ", q, " k ", queries[q].k, " slack ", queries[q].slack);
      check_same(answers[q], expected[q]);
    }
  }
}

/// Gives rows the order of their places, as a catalogue has it.
void bring_neighbours_together(ScanWorld* world) {
  std::vector<std::size_t> order(world->count());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto cell = [&](std::size_t row) {
    const GeoPoint at = world->positions[row];
    return std::make_tuple(std::floor(at.lat * 20.0), std::floor(at.lon * 20.0), at.lat);
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return cell(a) < cell(b); });
  const ScanWorld before = *world;
  for (std::size_t i = 0; i < order.size(); ++i) {
    world->positions[i] = before.positions[order[i]];
    world->tags[i] = before.tags[order[i]];
    world->prior[i] = before.prior[order[i]];
    world->logs[i] = before.logs[order[i]];
    std::copy_n(before.vectors.begin() + static_cast<std::ptrdiff_t>(order[i] * world->dim), world->dim,
                world->vectors.begin() + static_cast<std::ptrdiff_t>(i * world->dim));
  }
  world->fix_points();
}

TEST_CASE("the rows that are answered are those of the definition, with the same bits on every backend") {
  for (std::uint32_t seed = 10; seed < 58; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::size_t counts[] = {1, 63, 64, 65, 512, 513, 1300, 5000};
    const ScanWorld world = random_world(random, counts[random() % 8], static_cast<VectorKind>(seed % 3));
    std::vector<OwnedScanQuery> owned;
    for (std::size_t i = 0; i < 1 + random() % 9; ++i) {
      owned.push_back(random_query(random, world, ScanFilters::kRandom));
    }
    check_answers(scan_backends(), world, owned);
  }
}

TEST_CASE("what bounds leave out is not among the best: answers have the same bits, neighbours together or not") {
  for (std::uint32_t seed = 60; seed < 100; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::size_t counts[] = {1, 64, 65, 1300, 9000, 20000};
    ScanWorld world = random_world(random, counts[random() % 6], static_cast<VectorKind>(seed % 3));
    if (seed % 4 != 0) bring_neighbours_together(&world);
    std::vector<OwnedScanQuery> owned;
    for (std::size_t i = 0; i < 1 + random() % 9; ++i) {
      owned.push_back(random_query(random, world, seed % 2 == 0 ? ScanFilters::kRandom : ScanFilters::kNone));
      // Few are wanted, and close to the best of them: what is left out by mistake would be missed.
      if (random() % 2 == 0) owned.back().k = 1 + random() % 30;
    }
    check_answers(bounding_backends(), world, owned);
  }
}

TEST_CASE("each part of a bound holds for the row that has the most of it") {
  // All rows of 64 tiles are alike, but for one of the third tile that is good and one of the last that is a little
  // better, by one part only.
  constexpr std::uint32_t kGood = 150;
  constexpr std::uint32_t kBetter = 4090;
  ScanWorld world = plain_world(4096);
  world.dim = 4;
  world.vectors.assign(4 * world.count(), 0.01F);
  world.tag_count = 3;
  world.tags[kGood] = 1;
  world.tags[kBetter] = 2;
  world.prior[kGood] = 1.0F;
  world.prior[kBetter] = 1.0001F;
  world.logs[kGood] = 2.0F;
  world.logs[kBetter] = 2.0001F;
  const float direction[] = {0.5F, -0.25F, 1.0F, 0.125F};
  for (std::size_t j = 0; j < 4; ++j) {
    world.vectors[4 * kGood + j] = direction[j];
    world.vectors[4 * kBetter + j] = 1.01F * direction[j];
  }
  for (std::size_t i = 0; i < world.count(); ++i) world.positions[i].lat = 45.0 + 1e-4 * static_cast<double>(i / 64);
  world.positions[kGood] = {46.0, 9.0};
  world.positions[kBetter] = {46.0001, 9.0};
  world.fix_points();
  const FixedPoint there = fixed_point(50.0, 9.0);  // the better row is the nearest to it
  const FixedPoint here = fixed_point(40.0, 9.0);   // the better row is the farthest from it
  std::vector<float> negative;
  for (const float value : direction) negative.push_back(-value);
  const float tag_table[] = {0.0F, 1.0F, 1.0001F};
  const float zeros[] = {0.0F, 0.0F, 0.0F};
  std::vector<ScanQuery> queries(9);  // the first by prior, which each backend sets below
  queries[1].tag_table = tag_table;
  queries[2].logs_weight = 1.0F;
  queries[2].logs_table = zeros;
  queries[3] = {.position = there, .log_distance = {{-1.0F, 1.0F}}};
  queries[4] = {.position = here, .log_distance = {{}, {1.0F, 1.0F}}};
  queries[5] = {.position = there, .exp_distance = {1.0F, 0.01F}};
  queries[6] = {.position = here, .exp_distance = {-1.0F, 0.01F}};
  queries[7] = {.vector = direction, .vector_weight = 1.0F};
  queries[8] = {.vector = negative, .vector_weight = -1.0F};
  for (const bool int8 : {false, true}) {
    world.int8 = int8;
    for (const auto& backend : bounding_backends()) {
      const OnBackend on(*backend, world);
      queries[0].prior = on.prior.get();
      queries[2].logs = on.logs.get();
      for (ScanQuery& query : queries) query.k = 1;
      const auto answers = answers_of(*on.table, queries);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        INFO(std::string(backend->name()), " int8 ", int8, " query ", q);
        CHECK(answers[q].passed == 4096);
        CHECK(answers[q].rows == std::vector<std::uint32_t>{kBetter});
      }
    }
  }
}

TEST_CASE("bounds lose no row where numbers are so large or so small that a float has no more precision") {
  struct Extreme {
    float prior = 0.0F;
    float tag = 0.0F;
    ScanQuery::DistanceTerm exp_distance = {};
    float vector = 0.0F;  ///< of every row
    float asked = 0.0F;
    float weight = 0.0F;
    bool int8 = false;
  };
  const Extreme extremes[] = {
      {.vector = 1e20F, .asked = 1e20F, .weight = 1e-10F},  // the product is infinite
      {.vector = 1e20F, .asked = -1e20F, .weight = -1e-10F},
      {.vector = 1e37F, .asked = 1e-10F, .weight = 1.0F, .int8 = true},
      {.prior = 3e38F, .tag = 1e38F, .exp_distance = {-1e38F, 0.0F}},   // a row's sum is infinite in between,
      {.prior = -3e38F, .tag = 1e38F, .exp_distance = {-1e38F, 0.0F}},  // and here a bound's
      {.vector = 8e-24F, .asked = 1e-22F, .weight = 1e38F},             // the product has two bits, rounded up
      {.prior = 1.0F, .vector = 8e-24F, .asked = 1e-22F, .weight = 3e38F},
      {.vector = 0.9e-25F, .asked = 1.0F, .weight = 1e-20F},  // and here what it is weighted with
  };
  for (const Extreme& extreme : extremes) {
    for (const std::size_t dim : {1, 64}) {
      ScanWorld world = plain_world(512);
      world.prior.assign(world.count(), extreme.prior);
      world.dim = dim;
      world.int8 = extreme.int8;
      world.vectors.assign(dim * world.count(), extreme.vector);
      OwnedScanQuery owned;
      owned.position = world.positions[0];
      owned.has_prior = true;
      owned.tag_table = {extreme.tag};
      owned.exp_distance = extreme.exp_distance;
      owned.vector.assign(dim, extreme.asked);
      owned.vector_weight = extreme.weight;
      owned.k = 1;
      check_answers(bounding_backends(), world, {&owned, 1});
    }
  }
  // Logarithms that differ, of a weight that hardly tells them apart.
  ScanWorld world = plain_world(65);
  world.logs.assign(65, 1.03443431e-36F);
  world.logs[1] = 1.03443503e-36F;
  OwnedScanQuery owned;
  owned.position = world.positions[0];
  owned.has_logs = true;
  owned.logs_table = {0.0F};
  owned.logs_weight = std::ldexp(380.0F, -149);
  owned.k = 1;
  check_answers(bounding_backends(), world, {&owned, 1});
}

TEST_CASE("what bounds leave out is counted, and measured where the radius or the rim ends") {
  ScanWorld world = plain_world(20000);
  for (std::size_t i = 0; i < world.count(); ++i) world.positions[i].lat = 45.0 + 1e-4 * static_cast<double>(i);
  world.tag_count = 2;
  for (std::size_t i = 0; i < world.count(); i += 4) world.tags[i] = 1;
  world.fix_points();
  const float table[] = {0.0F, -kInfinity};
  ScanQuery query{.position = fixed_point(45.0, 9.0), .k = 1};
  query.log_distance[0] = {-1.0F, 1.0F};
  query.radius_km = 50.0F;
  query.rim_km = 60.0F;
  // A ten-thousandth of a degree is 11.119493 m: rows 0 to 4496 are within 50 km, and 4497 to 5395 within 60 km.
  for (const auto& backend : bounding_backends()) {
    INFO(std::string(backend->name()));
    const OnBackend on(*backend, world);
    query.tag_table = {};
    const ScanAnswer all = answers_of(*on.table, {&query, 1})[0];
    CHECK(all.rows == std::vector<std::uint32_t>{0});
    CHECK(all.passed == 4497);
    REQUIRE(all.rim.size() == 899);
    CHECK(all.rim.front() == 4497);
    CHECK(all.rim.back() == 5395);
    query.rim_km = 20.0F;  // ends before the radius does, and then there is none
    const ScanAnswer without_rim = answers_of(*on.table, {&query, 1})[0];
    CHECK(without_rim.passed == 4497);
    CHECK(without_rim.rim.empty());
    query.rim_km = 60.0F;
    // Every fourth does not pass by its tag: 1,125 of them.
    query.tag_table = table;
    const ScanAnswer some = answers_of(*on.table, {&query, 1})[0];
    CHECK(some.rows == std::vector<std::uint32_t>{1});
    CHECK(some.passed == 4497 - 1125);
  }
}

TEST_CASE("bounds follow columns that are changed, and hold where points are not on the Earth") {
  ScanWorld world = plain_world(4096);
  for (std::size_t i = 0; i < world.count(); ++i) world.positions[i].lat = 45.0 + 0.01 * static_cast<double>(i / 64);
  world.fix_points();
  // Within the Earth, below the query: nearer than any other.
  const FixedPoint query_at = fixed_point(40.0, 9.0);
  world.x[4095] = query_at.x / 1000 * 999;
  world.y[4095] = query_at.y / 1000 * 999;
  world.z[4095] = query_at.z / 1000 * 999;
  const float zeros[] = {0.0F};
  for (const auto& backend : bounding_backends()) {
    INFO(std::string(backend->name()));
    const OnBackend on(*backend, world);
    ScanQuery query{.position = query_at, .prior = on.prior.get(), .logs = on.logs.get(), .logs_table = zeros};
    query.logs_weight = 1.0F;
    query.log_distance[0] = {-1.0F, 1.0F};
    query.k = 1;
    const auto best = [&] { return answers_of(*on.table, {&query, 1})[0].rows.at(0); };
    CHECK(best() == 4095);
    const std::uint32_t rows[] = {7, 4000};
    const float values[] = {100.0F, 50.0F};
    on.prior->set(rows, values);
    CHECK(best() == 7);
    const float fewer[] = {0.0F, 50.0F};
    on.prior->set(rows, fewer);
    CHECK(best() == 4000);
    const std::uint32_t one[] = {100};
    const float most[] = {3e38F};
    on.logs->set(one, most);
    CHECK(best() == 100);
  }
}

TEST_CASE("a distance of nothing, of a few metres and of half the Earth") {
  ScanWorld world = plain_world(6);
  // Beside itself, 11 m north, across the antimeridian, both poles, the antipode of row 0.
  world.positions = {{10.0, 179.99995}, {10.0001, 179.99995}, {10.0, -179.99995},
                     {90.0, 0.0},       {-90.0, 77.0},        {-10.0, -0.00005}};
  world.fix_points();
  OwnedScanQuery owned;
  owned.position = world.positions[0];
  owned.exp_distance = {1.0F, 0.01F};
  owned.log_distance[0] = {-1.0F, 2.0F};
  for (const auto& backend : all_backends()) {
    INFO(std::string(backend->name()));
    check_scores(OnBackend(*backend, world), world, owned);
  }
}

TEST_CASE("a radius lets pass what it reaches, and the rim lists what lies between") {
  ScanWorld world = plain_world(2000);
  for (std::size_t i = 0; i < world.count(); ++i) world.positions[i].lat = 45.0 + 0.001 * static_cast<double>(i);
  world.fix_points();
  OwnedScanQuery owned;
  owned.position = {45.0, 9.0};
  owned.k = 5000;
  owned.radius_km = 50.0F;
  owned.rim_km = 60.0F;
  // A thousandth of a degree is 111.19493 m: rows 0 to 449 are within 50 km, and 450 to 539 within 60 km.
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query = on.query(owned);
    const auto answers = answers_of(*on.table, {&query, 1});
    CHECK(answers[0].passed == 450);
    CHECK(answers[0].rows.size() == 450);
    REQUIRE(answers[0].rim.size() == 90);
    CHECK(answers[0].rim.front() == 450);
    CHECK(answers[0].rim.back() == 539);
  }
}

TEST_CASE("of equal scores the lower row comes first, and all that equal the k-th are answered") {
  ScanWorld world = plain_world(20000);
  world.prior[77] = 2.0F;
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query{.prior = on.prior.get(), .k = 10};
    const auto answers = answers_of(*on.table, {&query, 1});
    REQUIRE(answers[0].rows.size() == 20000);
    CHECK(answers[0].rows[0] == 77);
    CHECK(answers[0].rows[1] == 0);
    CHECK(answers[0].rows[77] == 76);
    CHECK(answers[0].rows[78] == 78);
    CHECK(answers[0].rows[19999] == 19999);
  }
}

TEST_CASE("the slack answers rows that are so much worse than the k-th") {
  ScanWorld world = plain_world(3000);
  for (std::size_t i = 0; i < world.count(); ++i) world.prior[i] = static_cast<float>(i);
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const auto count = [&](std::size_t k, float slack) {
      const ScanQuery query{.prior = on.prior.get(), .k = k, .slack = slack};
      const auto answers = answers_of(*on.table, {&query, 1});
      CHECK(answers[0].passed == 3000);
      return answers[0].rows.size();
    };
    CHECK(count(0, 5.0F) == 0);
    CHECK(count(1, 0.0F) == 1);
    CHECK(count(10, 5.0F) == 15);
    CHECK(count(10, 1500.0F) == 1510);
    CHECK(count(10, kInfinity) == 3000);
    CHECK(count(2999, 0.0F) == 2999);
    CHECK(count(std::numeric_limits<std::size_t>::max(), 0.0F) == 3000);
  }
}

TEST_CASE("a row whose score is NaN passes and is never answered; infinities are ordinary scores") {
  ScanWorld world = plain_world(200);
  world.prior[3] = kNaN;
  world.prior[4] = kInfinity;
  world.prior[5] = -kInfinity;
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query{.prior = on.prior.get(), .k = 1000};
    const auto answers = answers_of(*on.table, {&query, 1});
    CHECK(answers[0].passed == 200);
    REQUIRE(answers[0].rows.size() == 199);
    CHECK(answers[0].rows.front() == 4);
    CHECK(answers[0].rows.back() == 5);
  }
}

TEST_CASE("rows of a tag whose value is -infinity do not pass, and those of a NaN do") {
  ScanWorld world = plain_world(300);
  world.tag_count = 3;
  for (std::size_t i = 0; i < world.count(); ++i) world.tags[i] = static_cast<std::uint32_t>(i % 3);
  const float table[] = {1.0F, -kInfinity, kNaN};
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query{.position = fixed_point(45.0, 9.0), .tag_table = table, .radius_km = 1.0F, .k = 1000};
    const auto answers = answers_of(*on.table, {&query, 1});
    CHECK(answers[0].passed == 200);
    CHECK(answers[0].rows.size() == 100);
  }
}

TEST_CASE("what has no logarithm scores NaN") {
  ScanWorld world = plain_world(9);
  world.logs = {1.0F, 0.0F, -1.0F, kInfinity, kNaN, 1e-40F, -0.0F, std::numeric_limits<float>::min(), 3e38F};
  const float zeros[] = {0.0F};
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query{.logs = on.logs.get(), .logs_table = zeros, .logs_weight = 1.0F, .k = 9};
    const auto answers = answers_of(*on.table, {&query, 1});
    CHECK(answers[0].rows == std::vector<std::uint32_t>{8, 0, 7});
    CHECK(answers[0].passed == 9);
    const ScanQuery without{.logs = on.logs.get(), .logs_table = zeros, .logs_weight = 0.0F, .k = 9};
    CHECK(answers_of(*on.table, {&without, 1})[0].rows.size() == 9);
  }
}

TEST_CASE("a value that has no logarithm is seen when it comes later") {
  const ScanWorld world = plain_world(5);
  const float zeros[] = {0.0F};
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const ScanQuery query{.logs = on.logs.get(), .logs_table = zeros, .logs_weight = 1.0F, .k = 5};
    CHECK(answers_of(*on.table, {&query, 1})[0].rows.size() == 5);
    const std::uint32_t rows[] = {1, 3};
    const float values[] = {-1.0F, kNaN};
    on.logs->set(rows, values);
    CHECK(answers_of(*on.table, {&query, 1})[0].rows == std::vector<std::uint32_t>{0, 2, 4});
  }
}

TEST_CASE("a column that is changed is read as it is") {
  const ScanWorld world = plain_world(100);
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const std::uint32_t rows[] = {99, 5};
    const float values[] = {2.0F, 3.0F};
    on.prior->set(rows, values);
    const ScanQuery query{.prior = on.prior.get(), .k = 2};
    CHECK(answers_of(*on.table, {&query, 1})[0].rows == std::vector<std::uint32_t>{5, 99});
  }
}

TEST_CASE("a table without rows, and queries without a filter that lets anything pass, are answered with nothing") {
  const std::vector<RowRange> none;
  const std::vector<std::uint64_t> no_words;
  for (const auto& backend : all_backends()) {
    const auto empty = backend->make_scan_table({}).value();
    const ScanQuery query{.allowed = no_words, .k = 3};
    CHECK(answers_of(*empty, {&query, 1})[0].rows.empty());
    CHECK(answers_of(*empty, {}).empty());
    const OnBackend on(*backend, plain_world(70));
    const ScanQuery queries[] = {{.ranges = none, .k = 3}, {.k = 70}};
    const auto answers = answers_of(*on.table, queries);
    CHECK(answers[0].rows.empty());
    CHECK(answers[0].passed == 0);
    CHECK(answers[1].rows.size() == 70);
  }
}

TEST_CASE("products of fp32 vectors are chains of fused multiply-adds, and those of codes are within vector_error") {
  std::mt19937 random(5);
  const ScanWorld exact = random_world(random, 700, VectorKind::kFp32);
  ScanWorld coded = exact;
  coded.int8 = true;
  OwnedScanQuery owned;
  owned.k = exact.count();
  owned.vector_weight = 1.0F;
  owned.vector.assign(exact.vectors.begin(), exact.vectors.begin() + static_cast<std::ptrdiff_t>(exact.dim));
  for (const auto& backend : all_backends()) {
    const OnBackend fp32(*backend, exact);
    const OnBackend int8(*backend, coded);
    CHECK(fp32.table->vector_error(owned.vector) == 0.0F);
    CHECK(int8.table->vector_error(std::vector<float>(exact.dim, kNaN)) == kInfinity);
    const ScanQuery a = fp32.query(owned);
    const ScanQuery b = int8.query(owned);
    const auto by_fp32 = answers_of(*fp32.table, {&a, 1});
    const auto by_int8 = answers_of(*int8.table, {&b, 1});
    const double allowed = static_cast<double>(int8.table->vector_error(owned.vector));
    CHECK(allowed > 0.0);
    double worst = 0.0;
    for (std::size_t i = 0; i < exact.count(); ++i) {
      const std::span<const float> vector(exact.vectors.data() + by_fp32[0].rows[i] * exact.dim, exact.dim);
      float chain = 0.0F;
      for (std::size_t j = 0; j < exact.dim; ++j) chain = std::fma(owned.vector[j], vector[j], chain);
      CHECK(by_fp32[0].scores[i] == chain);
      const double truth = dot_of(owned.vector, {exact.vectors.data() + by_int8[0].rows[i] * exact.dim, exact.dim});
      worst = std::max(worst, std::abs(static_cast<double>(by_int8[0].scores[i]) - truth));
    }
    CHECK(worst <= allowed);
    CHECK(worst > allowed / 1000);
  }
}

TEST_CASE("answers do not depend on what else is in the batch, nor on who asks at the same time") {
  std::mt19937 random(8);
  const ScanWorld world = random_world(random, 30000, VectorKind::kInt8);
  std::vector<OwnedScanQuery> owned;
  for (int i = 0; i < 13; ++i) owned.push_back(random_query(random, world, ScanFilters::kRandom));
  for (const auto& backend : all_backends()) {
    INFO(std::string(backend->name()));
    const OnBackend on(*backend, world);
    std::vector<ScanQuery> queries;
    for (const OwnedScanQuery& one : owned) queries.push_back(on.query(one));
    std::vector<std::vector<ScanAnswer>> found(3);
    {
      std::vector<std::jthread> askers;
      for (auto& one : found) askers.emplace_back([&] { (void)on.table->scan(queries, &one); });
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const auto alone = answers_of(*on.table, {&queries[q], 1});
      for (const auto& one : found) check_same(one[q], alone[0]);
    }
  }
}

TEST_CASE("rows that make no sense are refused") {
  for (const auto& backend : all_backends()) {
    const std::vector<std::int32_t> two = {1, 2};
    const std::vector<std::int32_t> three = {1, 2, 3};
    const std::vector<std::uint32_t> tags = {0, 1};
    const std::vector<float> vectors = {1.0F, 2.0F, 3.0F, kNaN};
    const auto code = [&](const ScanRows& rows) { return backend->make_scan_table(rows).status().code(); };
    CHECK(code({.x = two, .y = two, .z = two, .tags = tags, .tag_count = 2}) == StatusCode::kOk);
    CHECK(code({.x = two, .y = two, .z = three, .tags = tags, .tag_count = 2}) == StatusCode::kInvalidArgument);
    CHECK(code({.x = two, .y = two, .z = two, .tags = {}, .tag_count = 2}) == StatusCode::kInvalidArgument);
    CHECK(code({.x = two, .y = two, .z = two, .tags = tags, .tag_count = 1}) == StatusCode::kInvalidArgument);
    ScanRows with{.x = two, .y = two, .z = two, .tags = tags, .tag_count = 2, .vectors = vectors, .dim = 2};
    CHECK(code(with) == StatusCode::kInvalidArgument);
    with.vectors = with.vectors.first(3);
    CHECK(code(with) == StatusCode::kInvalidArgument);
    with.vectors = {};
    CHECK(code(with) == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a table that is larger than the backend may hold is refused") {
  const std::vector<std::int32_t> two = {1, 2};
  const std::vector<std::uint32_t> tags = {0, 1};
  for (const auto& backend : all_backends(500)) {
    const auto table = backend->make_scan_table({.x = two, .y = two, .z = two, .tags = tags, .tag_count = 2});
    CHECK(table.status().code() == StatusCode::kResourceExhausted);
  }
}

TEST_CASE("what a table holds is what the backend counts, however vectors are kept") {
  std::mt19937 random(6);
  for (const VectorKind vectors : {VectorKind::kNone, VectorKind::kFp32, VectorKind::kInt8}) {
    const ScanWorld world = random_world(random, 3001, vectors);
    for (const auto& backend : all_backends()) {
      const auto table = backend->make_scan_table(world.rows()).value();
      CHECK(backend->resident_bytes() == table->resident_bytes());
    }
  }
}

TEST_CASE("memory of tables and columns counts while they live") {
  for (const auto& backend : all_backends(1300)) {
    {
      const auto table = backend->make_scan_table(plain_world(64).rows()).value();
      CHECK(backend->resident_bytes() == 1024);
      CHECK(table->resident_bytes() == 1024);
      const auto column = table->make_column(std::vector<float>(64)).value();
      CHECK(backend->resident_bytes() == 1280);
      CHECK(table->make_column(std::vector<float>(64)).status().code() == StatusCode::kResourceExhausted);
      CHECK(table->make_column(std::vector<float>(65)).status().code() == StatusCode::kInvalidArgument);
    }
    CHECK(backend->resident_bytes() == 0);
  }
}

TEST_CASE("a query that makes no sense is refused by its number and what is wrong") {
  std::mt19937 random(4);
  const ScanWorld world = random_world(random, 100, VectorKind::kFp32);
  for (const auto& backend : all_backends()) {
    const OnBackend on(*backend, world);
    const OnBackend other(*backend, world);
    const std::vector<float> short_table(world.tag_count - 1);
    const std::vector<float> wrong_vector(world.dim + 1);
    const std::vector<float> nan_vector(world.dim, kNaN);
    const std::vector<std::uint32_t> rows = {1, 2};
    const std::vector<std::uint32_t> twice = {2, 2};
    const std::vector<std::uint32_t> descending = {2, 1};
    const std::vector<std::uint32_t> beyond = {2, 100};
    const std::vector<float> values = {1.0F, 2.0F};
    const std::vector<std::uint64_t> words(3);
    const std::vector<RowRange> overlapping = {{0, 10}, {9, 12}};
    const std::vector<RowRange> past = {{0, 101}};
    const std::vector<std::pair<std::string, ScanQuery>> wrong = {
        {"prior", {.prior = other.prior.get()}},
        {"logs", {.logs = other.logs.get()}},
        {"tag_table", {.tag_table = short_table}},
        {"logs_table", {.logs = on.logs.get()}},
        {"logs_weight", {.logs_weight = kNaN}},
        {"log_distance", {.log_distance = {{}, {1.0F, -1.0F}}}},
        {"exp_distance", {.exp_distance = {kInfinity, 1.0F}}},
        {"per_km", {.exp_distance = {1.0F, kNaN}}},
        {"per_km", {.exp_distance = {1.0F, 1e31F}}},
        {"dimensions", {.vector = wrong_vector}},
        {"finite", {.vector = nan_vector}},
        {"vector_weight", {.vector_weight = kInfinity}},
        {"added", {.added_rows = rows}},
        {"once", {.added_rows = twice, .added = values}},
        {"not one of", {.added_rows = beyond, .added = values}},
        {"overlaps", {.ranges = overlapping}},
        {"past", {.ranges = past}},
        {"words", {.allowed = words}},
        {"ascending", {.excluded = descending}},
        {"radius_km", {.radius_km = kNaN}},
        {"rim_km", {.rim_km = -1.0F}},
        {"slack", {.slack = kNaN}},
    };
    for (const auto& [word, query] : wrong) {
      const ScanQuery queries[] = {{.k = 1}, query};
      std::vector<ScanAnswer> answers;
      const cairn::Status status = on.table->scan(queries, &answers);
      INFO(word, ": ", status.message());
      CHECK(status.code() == StatusCode::kInvalidArgument);
      CHECK(status.message().find("query 1") != std::string::npos);
      CHECK(status.message().find(word) != std::string::npos);
    }
  }
}

}  // namespace
