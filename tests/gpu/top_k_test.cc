#include "gpu/top_k.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/gpu/backends.h"
#include "tests/gpu/top_k_oracle.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const std::vector<MatrixOptions>& all_options() {
  static const std::vector<MatrixOptions> options = {
      {.storage = Precision::kFp32},
      {.storage = Precision::kFp32, .scan = Precision::kInt4},
      {.storage = Precision::kFp32, .scan = Precision::kFp32},
      {.storage = Precision::kFp16},
      {.storage = Precision::kFp16, .scan = Precision::kFp16},
      {.storage = Precision::kFp16, .scan = Precision::kInt4, .int4_group = 8},
      {.storage = Precision::kInt8},
      {.storage = Precision::kInt4},
      {.storage = Precision::kInt4, .int4_group = 16},
  };
  return options;
}

std::string name_of(const Backend& backend, const ItemMatrix& matrix) {
  return std::string(backend.name()) + " " + std::string(to_string(matrix.storage())) + " scanned in " +
         std::string(to_string(matrix.scan()));
}

std::vector<float> normal_values(std::mt19937& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// What a filter points to.
struct OwnedFilter {
  std::vector<RowRange> ranges;
  std::vector<std::uint64_t> allowed;
  std::vector<std::uint32_t> excluded;
  std::vector<float> bias;
  RowFilter filter;
};

std::vector<RowRange> random_ranges(std::mt19937& random, std::size_t rows) {
  std::vector<std::uint32_t> cuts;
  for (std::size_t i = 0; i < 2 * (random() % 4); ++i)
    cuts.push_back(static_cast<std::uint32_t>(random() % (rows + 1)));
  std::sort(cuts.begin(), cuts.end());
  std::vector<RowRange> ranges;
  for (std::size_t i = 0; i + 1 < cuts.size(); i += 2) ranges.push_back({cuts[i], cuts[i + 1]});
  return ranges;
}

OwnedFilter random_filter(std::mt19937& random, std::size_t rows) {
  OwnedFilter owned;
  if (random() % 3 == 0) {
    owned.ranges = random_ranges(random, rows);
    owned.filter.ranges = owned.ranges;
  }
  if (random() % 3 == 0) {
    owned.allowed.resize((rows + 63) / 64);
    const std::uint32_t share = random() % 4;
    for (std::uint64_t& word : owned.allowed) {
      for (int bit = 0; bit < 64; ++bit) word |= std::uint64_t{random() % 4 < share || random() % 50 == 0} << bit;
    }
    owned.filter.allowed = owned.allowed;
  }
  if (random() % 2 == 0 && rows > 0) {
    for (std::size_t i = 0; i < random() % 60; ++i) {
      owned.excluded.push_back(static_cast<std::uint32_t>(random() % rows));
    }
    std::sort(owned.excluded.begin(), owned.excluded.end());
    owned.filter.excluded = owned.excluded;
  }
  if (random() % 3 == 0) {
    owned.bias = normal_values(random, rows);
    for (float& bias : owned.bias) {
      bias *= 3.0F;
      if (random() % 40 == 0) bias = random() % 3 == 0 ? kNaN : random() % 2 == 0 ? kInfinity : -kInfinity;
    }
    owned.filter.bias = owned.bias;
  }
  return owned;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool same_answer(std::uint32_t row, float score, const std::pair<std::uint32_t, float>& expected) {
  return row == expected.first && (same_bits(score, expected.second) || (score == 0.0F && expected.second == 0.0F));
}

/// Checks an answer against the oracle over the values that the matrix keeps.
void check_answers(const ItemMatrix& matrix, const TopKBatch& batch) {
  std::vector<float> kept(matrix.rows() * matrix.dim());
  REQUIRE(matrix.decode(0, kept).ok());
  const MatrixView items{kept, matrix.rows(), matrix.dim()};
  TopKAnswers answers;
  REQUIRE(matrix.top_k(batch, &answers).ok());
  REQUIRE(answers.rows.size() == batch.queries.rows * batch.k);
  for (std::size_t q = 0; q < batch.queries.rows; ++q) {
    INFO("query ", q);
    const RowFilter none;
    const RowFilter& filter = batch.filters.empty() ? none : batch.filters[batch.filters.size() == 1 ? 0 : q];
    const auto expected = top_k_oracle(items, batch.queries.row(q), batch.k, filter);
    REQUIRE(answers.counts[q] == expected.size());
    std::size_t equal = 0;
    while (equal < expected.size() &&
           same_answer(answers.rows_of(q)[equal], answers.scores_of(q)[equal], expected[equal]))
      ++equal;
    if (equal < expected.size()) {
      INFO("rank ", equal, ": row ", answers.rows_of(q)[equal], " of score ", answers.scores_of(q)[equal],
           " where row ", expected[equal].first, " of score ", expected[equal].second, " is expected");
      CHECK(equal == expected.size());
    }
    for (std::size_t i = expected.size(); i < batch.k; ++i) {
      CHECK(answers.rows[q * batch.k + i] == kNoRow);
      CHECK(std::isnan(answers.scores[q * batch.k + i]));
    }
  }
}

bool all_finite(const MatrixView& items) {
  return std::all_of(items.values.begin(), items.values.end(), [](float value) { return std::isfinite(value); });
}

/// Checks every backend and precision on the same items and queries.
void check_everywhere(const MatrixView& items, const TopKBatch& batch) {
  for (const auto& backend : all_backends()) {
    for (const MatrixOptions& options : all_options()) {
      auto matrix = backend->make_matrix(items, options);
      // Codes do not keep what is not finite. Nothing else is a reason to have no matrix.
      if (is_code(options.storage) && !all_finite(items)) {
        CHECK(matrix.status().code() == cairn::StatusCode::kInvalidArgument);
        continue;
      }
      REQUIRE_MESSAGE(matrix.ok(), matrix.status().to_string());
      INFO(name_of(*backend, **matrix));
      check_answers(**matrix, batch);
    }
  }
}

TEST_CASE("random items, queries and filters give what scoring and sorting every row gives") {
  const auto backends = all_backends();
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::size_t rows = random() % (seed % 10 == 0 ? 9000 : 700);
    const std::size_t dim = 1 + random() % (seed % 7 == 0 ? 200 : 40);
    const std::size_t queries = random() % (seed % 5 == 0 ? 20 : 4);
    std::vector<float> items = normal_values(random, rows * dim);
    if (seed % 4 == 0) {  // rows of very different length, and equal ones
      for (std::size_t i = 0; i < items.size(); ++i) items[i] *= std::exp(static_cast<float>(i / dim % 9) - 4.0F);
      for (std::size_t r = 1; r < rows; r += 3) std::copy_n(&items[(r - 1) * dim], dim, &items[r * dim]);
    }
    const std::vector<float> values = normal_values(random, queries * dim);
    std::vector<OwnedFilter> owned;
    const std::size_t filter_count = random() % 3 == 0 ? 0 : random() % 2 == 0 ? 1 : queries;
    for (std::size_t i = 0; i < filter_count; ++i) owned.push_back(random_filter(random, rows));
    std::vector<RowFilter> filters;
    for (const OwnedFilter& one : owned) filters.push_back(one.filter);
    const TopKBatch batch{.queries = {values, queries, dim},
                          .k = seed % 6 == 0 ? random() % (kTopKMax + 1) : random() % 30,
                          .filters = filters};
    for (const auto& backend : backends) {
      const MatrixOptions& options = all_options()[random() % all_options().size()];
      const auto matrix = backend->make_matrix({items, rows, dim}, options).value();
      INFO(name_of(*backend, *matrix), ", ", rows, " x ", dim, ", k = ", batch.k);
      check_answers(*matrix, batch);
    }
  }
}

TEST_CASE("no rows, no queries, and nothing asked for give nothing") {
  const std::vector<float> values(8, 1.0F);
  for (const auto& backend : all_backends()) {
    const auto empty = backend->make_matrix({{}, 0, 4}, {}).value();
    check_answers(*empty, {.queries = {values, 2, 4}, .k = 3});
    const auto matrix = backend->make_matrix({values, 2, 4}, {}).value();
    check_answers(*matrix, {.queries = {{}, 0, 4}, .k = 3});
    check_answers(*matrix, {.queries = {values, 2, 4}, .k = 0});
    check_answers(*matrix, {.queries = {values, 2, 4}, .k = 1024});
  }
}

TEST_CASE("a filter that is there and empty lets nothing pass") {
  const std::vector<float> values(12, 1.0F);
  const std::vector<std::uint64_t> no_bits = {0};
  const std::vector<RowFilter> filters = {{.ranges = std::span<const RowRange>{}}, {.allowed = no_bits}};
  for (const auto& backend : all_backends()) {
    const auto matrix = backend->make_matrix({values, 3, 4}, {}).value();
    TopKAnswers answers;
    REQUIRE(matrix->top_k({.queries = {std::span(values).first(8), 2, 4}, .k = 2, .filters = filters}, &answers).ok());
    CHECK(answers.counts == std::vector<std::uint32_t>{0, 0});
    CHECK(answers.rows == std::vector<std::uint32_t>(4, kNoRow));
  }
}

TEST_CASE("of equal scores the lower row wins, whichever thread met it first") {
  std::vector<float> items(20000 * 2, 1.0F);
  for (std::size_t r = 0; r < 20000; r += 1000) items[2 * r] = 2.0F;
  const std::vector<float> queries = {1.0F, 0.0F, 0.0F, 0.0F, -1.0F, 0.5F};
  check_everywhere({items, 20000, 2}, {.queries = {queries, 3, 2}, .k = 25});
}

TEST_CASE("a query of zeros is ranked by its bias alone, and without one by row") {
  std::mt19937 random(5);
  const std::vector<float> items = normal_values(random, 3000 * 8);
  const std::vector<float> zeros(16, 0.0F);
  const std::vector<float> bias = normal_values(random, 3000);
  const std::vector<RowFilter> filters = {{.bias = bias}, {}};
  check_everywhere({items, 3000, 8}, {.queries = {zeros, 2, 8}, .k = 40, .filters = filters});
}

TEST_CASE("infinities are scores, NaN is none, in items, queries and biases") {
  std::mt19937 random(6);
  std::vector<float> items = normal_values(random, 900 * 6);
  for (std::size_t i = 0; i < items.size(); i += 37) items[i] = i % 3 == 0 ? kNaN : i % 2 == 0 ? kInfinity : -kInfinity;
  std::vector<float> queries = normal_values(random, 6 * 6);
  queries[6] = kInfinity;
  queries[13] = kNaN;
  queries[20] = -kInfinity;
  std::fill_n(queries.begin() + 24, 6, 0.0F);
  std::vector<float> bias = normal_values(random, 900);
  for (std::size_t i = 0; i < bias.size(); i += 11) bias[i] = i % 2 == 0 ? kInfinity : kNaN;
  const std::vector<RowFilter> filters = {{.bias = bias}, {}, {}, {.bias = bias}, {.bias = bias}, {}};
  check_everywhere({items, 900, 6}, {.queries = {queries, 6, 6}, .k = 100, .filters = filters});
  const auto exact = make_cpu_backend({}).value()->make_matrix({items, 900, 6}, {}).value();
  TopKAnswers answers;
  REQUIRE(exact->top_k({.queries = {queries, 6, 6}, .k = 10}, &answers).ok());
  CHECK(answers.work.queries_exact == 3);
}

TEST_CASE("rows that are not finite pass the filters that all rows pass, and no others") {
  std::mt19937 random(12);
  constexpr std::size_t kRows = 3000;
  std::vector<float> items = normal_values(random, kRows * 6);
  // One row in 20 has an infinite score for a query of ones: without filters these are the answer.
  for (std::size_t r = 0; r < kRows; r += 20) items[r * 6] = kInfinity;
  const std::vector<float> query(6, 1.0F);
  // Every filter lets most rows pass, so that rows are scanned; of the infinite ones it lets every other pass.
  std::vector<std::uint64_t> allowed((kRows + 63) / 64, ~std::uint64_t{0});
  std::vector<std::uint32_t> excluded;
  std::vector<RowRange> ranges;
  std::vector<float> bias(kRows, 0.0F);
  for (std::uint32_t r = 0; r < kRows; r += 40) {
    allowed[r / 64] &= ~(std::uint64_t{1} << (r % 64));
    excluded.push_back(r);
    ranges.push_back({r + 1, r + 40});
    bias[r] = -kInfinity;  // with an infinite score: no number, and no answer
  }
  for (const RowFilter& filter : {RowFilter{.ranges = ranges}, RowFilter{.allowed = allowed},
                                  RowFilter{.excluded = excluded}, RowFilter{.bias = bias}}) {
    for (const std::size_t k : {10u, 100u}) {
      check_everywhere({items, kRows, 6}, {.queries = {query, 1, 6}, .k = k, .filters = {&filter, 1}});
    }
  }
}

/// Bounds are needed to the last percent where the errors of codes all point one way. One row, far from the others, is
/// such a row: its score is S, or -S, of which the product of the codes has nothing. Another row has 0.97 of it, and
/// codes without an error. All others are far below. Bounds that were a tenth too narrow would put the two in the wrong
/// order and lose the better one.
struct TightBounds {
  static constexpr std::size_t kDim = 32;
  static constexpr std::size_t kRows = 3000;
  std::vector<float> items = std::vector<float>(kRows * kDim);
  std::vector<float> query;

  TightBounds(std::vector<float> asked, const std::vector<float>& tight, const std::vector<float>& exact)
      : query(std::move(asked)) {
    const float ratio = 0.97F * score(tight) / score(exact);
    for (std::size_t r = 0; r < kRows; ++r) put(r, exact, -2.0F * std::fabs(ratio));
    put(5, exact, ratio);
    put(2000, tight, 1.0F);
  }
  [[nodiscard]] float score(const std::vector<float>& row) const {
    float sum = 0.0F;
    for (std::size_t j = 0; j < kDim; ++j) sum += query[j] * row[j];
    return sum;
  }
  void put(std::size_t r, const std::vector<float>& row, float factor) {
    for (std::size_t j = 0; j < kDim; ++j) items[r * kDim + j] = row[j] * factor;
  }
  void check() const { check_everywhere({items, kRows, kDim}, {.queries = {query, 1, kDim}, .k = 1}); }
};

/// `first`, and `others` in all further columns.
std::vector<float> row_of(float first, float others) {
  std::vector<float> row(TightBounds::kDim, others);
  row[0] = first;
  return row;
}

TEST_CASE("a row whose rounding errors all point along the query is found, and none is lost for it") {
  for (const float sign : {1.0F, -1.0F}) {
    INFO("sign ", sign);
    // Two fifths of a step are no code: in steps of the first column for int8 and for int4.
    for (const float code_max : {127.0F, 7.0F}) {
      INFO("codes to ", code_max);
      TightBounds(row_of(0.0F, 1.0F), row_of(code_max, sign * 0.4F), row_of(0.0F, 1.0F)).check();
    }
  }
}

TEST_CASE("a query whose rounding errors all point along a row finds it, and loses none for it") {
  for (const float sign : {1.0F, -1.0F}) {
    INFO("sign ", sign);
    TightBounds(row_of(127.0F, sign * 0.4F), row_of(0.0F, 1.0F), row_of(1.0F, 0.0F)).check();
  }
}

TEST_CASE("the largest and the smallest numbers are ranked like all others") {
  std::mt19937 random(7);
  const std::vector<float> base = normal_values(random, 800 * 5);
  const std::vector<float> query = normal_values(random, 5);
  for (const float factor : {1e-44F, 1e-38F, 1e-30F, 1e-10F, 1e10F, 1e18F, 1e30F, 3e37F}) {
    for (const float query_factor : {1e-40F, 1e-20F, 1.0F, 1e19F, 1e38F}) {
      INFO("items times ", factor, ", query times ", query_factor);
      std::vector<float> items = base;
      std::vector<float> values = query;
      for (float& item : items) item *= factor;
      for (float& value : values) value *= query_factor;
      check_everywhere({items, 800, 5}, {.queries = {values, 1, 5}, .k = 20});
    }
  }
}

TEST_CASE("biases far larger than the products keep the order that rounding gives") {
  std::mt19937 random(8);
  const std::vector<float> items = normal_values(random, 4000 * 16);
  const std::vector<float> query = normal_values(random, 16);
  for (const float factor : {1e-6F, 1e3F, 1e8F, 1e20F, 1e38F}) {
    INFO("bias times ", factor);
    std::vector<float> bias(4000);
    for (float& value : bias) value = static_cast<float>(random() % 5) * factor;
    const std::vector<RowFilter> filters = {{.bias = bias}};
    check_everywhere({items, 4000, 16}, {.queries = {query, 1, 16}, .k = 60, .filters = filters});
  }
}

TEST_CASE("rows in rising order of score, where every row is a candidate, are ranked exactly") {
  constexpr std::size_t kRows = 50000;
  std::vector<float> items(kRows * 4);
  for (std::size_t r = 0; r < kRows; ++r) items[4 * r] = 1.0F + static_cast<float>(r / 3) * 1e-6F;
  const std::vector<float> query = {1.0F, 0.0F, 0.0F, 0.0F};
  for (const auto& backend : all_backends()) {
    const auto matrix = backend->make_matrix({items, kRows, 4}, {.scan = Precision::kInt4}).value();
    INFO(name_of(*backend, *matrix));
    check_answers(*matrix, {.queries = {query, 1, 4}, .k = 1000});
  }
}

TEST_CASE("codes rule out most rows, and answer for themselves where they are the values") {
  std::mt19937 random(9);
  const std::vector<float> items = normal_values(random, 20000 * 64);
  const std::vector<float> queries = normal_values(random, 8 * 64);
  for (const auto& backend : all_backends()) {
    if (backend->name().substr(0, 3) != "cpu") continue;
    for (const Precision storage : {Precision::kFp32, Precision::kInt8}) {
      const auto matrix = backend->make_matrix({items, 20000, 64}, {.storage = storage}).value();
      INFO(name_of(*backend, *matrix));
      TopKAnswers answers;
      REQUIRE(matrix->top_k({.queries = {queries, 8, 64}, .k = 20}, &answers).ok());
      CHECK(answers.work.rows_scanned == 8 * 20000);
      CHECK(answers.work.rows_scored < 8 * 200);
      CHECK(answers.work.queries_exact == 0);
    }
  }
}

TEST_CASE("queries that few rows pass are answered from those rows") {
  std::mt19937 random(10);
  const std::vector<float> items = normal_values(random, 20000 * 16);
  const std::vector<float> query = normal_values(random, 16);
  const std::vector<RowRange> ranges = {{100, 150}, {19990, 20000}};
  const std::vector<RowFilter> filters = {{.ranges = ranges}};
  const auto matrix = make_cpu_backend({}).value()->make_matrix({items, 20000, 16}, {}).value();
  const TopKBatch batch{.queries = {query, 1, 16}, .k = 20, .filters = filters};
  check_answers(*matrix, batch);
  TopKAnswers answers;
  REQUIRE(matrix->top_k(batch, &answers).ok());
  CHECK(answers.work.rows_scanned == 0);
  CHECK(answers.work.rows_scored == 60);
}

TEST_CASE("many threads may ask one matrix at once") {
  std::mt19937 random(11);
  const std::vector<float> items = normal_values(random, 10000 * 16);
  const std::vector<float> queries = normal_values(random, 4 * 16);
  for (const auto& backend : all_backends()) {
    const auto matrix = backend->make_matrix({items, 10000, 16}, {}).value();
    TopKAnswers expected;
    const TopKBatch batch{.queries = {queries, 4, 16}, .k = 50};
    REQUIRE(matrix->top_k(batch, &expected).ok());
    std::vector<TopKAnswers> answers(4);
    std::vector<std::jthread> threads;
    for (TopKAnswers& one : answers) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) (void)matrix->top_k(batch, &one).ok();
      });
    }
    threads.clear();
    for (const TopKAnswers& one : answers) CHECK(one.rows == expected.rows);
  }
}

TEST_CASE("what a batch may not be is said") {
  const std::vector<float> values(40, 1.0F);
  const auto matrix = make_cpu_backend({}).value()->make_matrix({values, 10, 4}, {}).value();
  const MatrixView queries{std::span(values).first(8), 2, 4};
  TopKAnswers answers;
  const auto message_for = [&](const RowFilter& filter) {
    const std::vector<RowFilter> filters = {filter};
    const cairn::Status status = matrix->top_k({.queries = queries, .k = 1, .filters = filters}, &answers);
    CHECK(status.code() == cairn::StatusCode::kInvalidArgument);
    return status.message();
  };
  const std::vector<RowRange> beyond = {{0, 11}};
  const std::vector<RowRange> overlapping = {{0, 5}, {4, 6}};
  const std::vector<std::uint32_t> unordered = {3, 1};
  const std::vector<std::uint64_t> two_words = {0, 0};
  CHECK(message_for({.ranges = beyond}) ==
        "filter 0: row range [0, 11) is not ascending, overlaps the one before it or ends past 10 rows");
  CHECK(message_for({.ranges = overlapping}).find("[4, 6)") != std::string::npos);
  CHECK(message_for({.allowed = two_words}) == "filter 0: a bitmap of 10 rows has 1 words, not 2");
  CHECK(message_for({.excluded = unordered}) == "filter 0: excluded rows have to be in ascending order");
  CHECK(message_for({.bias = values}) == "filter 0: bias has 40 values for 10 rows");
  CHECK(matrix->top_k({.queries = queries, .k = 1025}, &answers).message() ==
        "k is 1025; at most 1024 rows can be asked for");
  CHECK(matrix->top_k({.queries = {values, 8, 5}, .k = 1}, &answers).message() == "queries have 5 dimensions, items 4");
}

}  // namespace
