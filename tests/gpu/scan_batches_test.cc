#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "gpu/scan.h"
#include "tests/gpu/backends.h"
#include "tests/gpu/scan_oracle.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;

// What backends divide in ways of their own: batches into passes and groups, tables into samples and pieces, vectors
// into steps, answers by the room there is for them. The CPU's scalar kernels judge.

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Rows around one place, on a grid of the seed.
struct Rows {
  Rows(std::uint32_t seed, std::size_t count, std::size_t vector_dim, bool codes) : dim(vector_dim), int8(codes) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < count; ++i) {
      const FixedPoint at = fixed_point(45.0 + 0.1 * static_cast<double>(normal(random)),
                                        9.0 + 0.1 * static_cast<double>(normal(random)));
      x.push_back(at.x);
      y.push_back(at.y);
      z.push_back(at.z);
      tags.push_back(static_cast<std::uint32_t>(random() % kTags));
      prior.push_back(normal(random));
    }
    for (std::size_t i = 0; i < count * dim; ++i) vectors.push_back(normal(random));
  }

  static constexpr std::size_t kTags = 5;

  [[nodiscard]] std::size_t count() const { return x.size(); }
  [[nodiscard]] ScanRows rows() const {
    return {.x = x, .y = y, .z = z, .tags = tags, .tag_count = kTags, .vectors = vectors, .dim = dim, .int8 = int8};
  }

  std::size_t dim;
  bool int8;
  std::vector<std::int32_t> x;
  std::vector<std::int32_t> y;
  std::vector<std::int32_t> z;
  std::vector<std::uint32_t> tags;
  std::vector<float> vectors;
  std::vector<float> prior;
};

std::vector<ScanAnswer> answers_of(Backend& backend, const Rows& rows, std::vector<ScanQuery> queries) {
  const auto table = backend.make_scan_table(rows.rows()).value();
  const auto prior = table->make_column(rows.prior).value();
  for (ScanQuery& query : queries) query.prior = prior.get();
  std::vector<ScanAnswer> answers;
  const cairn::Status status = table->scan(queries, &answers);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return answers;
}

/// Checks every backend's answers against those of the scalar kernels, bit for bit. Returns these.
std::vector<ScanAnswer> check(const Rows& rows, const std::vector<ScanQuery>& queries) {
  const auto judge = make_cpu_backend({.instruction_set = InstructionSet::kScalar, .threads = 1}).value();
  auto expected = answers_of(*judge, rows, queries);
  for (const auto& backend : all_backends()) {
    INFO(std::string(backend->name()));
    const auto found = answers_of(*backend, rows, queries);
    REQUIRE(found.size() == expected.size());
    for (std::size_t q = 0; q < found.size(); ++q) {
      INFO("query ", q);
      CHECK(found[q].passed == expected[q].passed);
      CHECK(found[q].rim == expected[q].rim);
      REQUIRE(found[q].rows == expected[q].rows);
      CHECK(same_bits(found[q].scores, expected[q].scores));
    }
  }
  return expected;
}

std::vector<std::vector<float>> random_vectors(std::uint32_t seed, std::size_t count, std::size_t dim) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> vectors(count, std::vector<float>(dim));
  for (auto& vector : vectors) {
    for (float& value : vector) value = normal(random);
  }
  return vectors;
}

TEST_CASE("a batch of more queries than a pass takes keeps each query's vector, lists and k") {
  for (const bool int8 : {true, false}) {
    INFO("int8 ", int8);
    const Rows rows(1, 250, 40, int8);
    const auto vectors = random_vectors(2, 70, 40);
    std::vector<std::vector<std::uint32_t>> excluded(70);
    const std::vector<std::uint32_t> added_rows = {0, 31, 32, 200, 249};
    const std::vector<float> added = {9.0F, -50.0F, 8.0F, 7.0F, 0.5F};
    std::vector<ScanQuery> queries;
    for (std::size_t q = 0; q < 70; ++q) {
      // Some rows twice, and some that do not exist.
      for (std::uint32_t row = static_cast<std::uint32_t>(q % 7); row < 300; row += 7)
        excluded[q].insert(excluded[q].end(), 1 + row % 2, row);
      queries.push_back({.position = fixed_point(45.0, 9.0 + 0.001 * static_cast<double>(q)),
                         .exp_distance = {1.0F, 0.1F},
                         .vector = q % 10 == 3 ? std::span<const float>() : std::span<const float>(vectors[q]),
                         .vector_weight = 0.25F,
                         .excluded = excluded[q],
                         .k = q % 40});
      if (q % 3 == 0) queries.back().added_rows = added_rows, queries.back().added = added;
    }
    check(rows, queries);
  }
}

TEST_CASE("vectors of any dimension are multiplied, whether blocks have room for the queries' codes or not") {
  for (const std::size_t dim : {1, 32, 33, 600}) {
    for (const bool int8 : {true, false}) {
      INFO("dimensions ", dim, " int8 ", int8);
      const Rows rows(3, dim < 600 ? 40 : 32, dim, int8);
      const auto vectors = random_vectors(4, 33, dim);
      std::vector<ScanQuery> queries;
      for (const auto& vector : vectors) queries.push_back({.vector = vector, .vector_weight = 1.0F, .k = 20});
      check(rows, queries);
    }
  }
}

TEST_CASE("a table of many tiles is sampled in several stages before all of it is scanned") {
  const Rows rows(5, 150'000, 0, false);
  std::vector<std::uint64_t> allowed((rows.count() + 63) / 64, 0x1111111111111111);
  const std::vector<RowRange> ranges = {{0, 0}, {5, 6}, {70, 140'000}, {140'031, 140'033}, {149'999, 150'000}};
  check(rows, {{.k = 3, .slack = 0.01F}, {.allowed = allowed, .k = 100}, {.k = 0}});
  check(rows, {{.ranges = ranges, .k = 50}, {.ranges = ranges, .allowed = allowed, .k = 20}});
}

TEST_CASE("a threshold that samples find too low is raised by the candidates that they let through") {
  Rows rows(6, 40'000, 0, false);
  // The tiles that are sampled are all bad.
  for (std::size_t r = 0; r < rows.count(); ++r) {
    if (r / 32 % 16 == 0) rows.prior[r] = -100.0F;
  }
  check(rows, {{.k = 10}});
}

TEST_CASE("answers and rims that are longer than the room for candidates are complete") {
  const Rows rows(7, 20'000, 0, false);
  const ScanQuery near{.position = fixed_point(45.0, 9.0), .radius_km = 2.0F, .k = 5};
  ScanQuery with_rim = near;
  with_rim.rim_km = 2.5F;
  const auto answers = check(rows, {near, with_rim, {.k = 3'000}, {.k = 5'000}, {.k = 2, .slack = kInfinity}});
  CHECK(answers[0].rim.size() > 15'000);
  CHECK(answers[1].rim.size() > 0);
  CHECK(answers[1].rim.size() < 1'000);
  CHECK(answers[4].rows.size() == 20'000);
}

TEST_CASE("zeros of both signs are equal and keep their signs, in short answers and in long ones") {
  for (const std::size_t count : {300, 20'000}) {
    Rows rows(8, count, 0, false);
    for (std::size_t r = 0; r < rows.count(); ++r) rows.prior[r] = r % 3 == 0 ? -0.0F : 0.0F;
    check(rows, {{.k = 100}, {.k = 7'000}});
  }
}

}  // namespace
