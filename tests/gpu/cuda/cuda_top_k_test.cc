#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "gpu/cuda/cuda_backend.h"
#include "tests/gpu/top_k_oracle.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;

// What only this backend divides: batches into passes, and dimensions by what fits shared memory.

std::vector<float> normal_values(std::mt19937& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

void check_batch(const MatrixView& items, const MatrixOptions& options, const TopKBatch& batch) {
  const auto backend = cuda::make_cuda_backend(0, kNoLimit).value();
  const auto matrix = backend->make_matrix(items, options).value();
  std::vector<float> kept(items.values.size());
  REQUIRE(matrix->decode(0, kept).ok());
  TopKAnswers answers;
  REQUIRE(matrix->top_k(batch, &answers).ok());
  for (std::size_t q = 0; q < batch.queries.rows; ++q) {
    INFO("query ", q);
    const RowFilter none;
    const RowFilter& filter = batch.filters.empty() ? none : batch.filters[batch.filters.size() == 1 ? 0 : q];
    const auto expected = top_k_oracle({kept, items.rows, items.dim}, batch.queries.row(q), batch.k, filter);
    REQUIRE(answers.counts[q] == expected.size());
    bool equal = true;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      equal = equal && answers.rows_of(q)[i] == expected[i].first && answers.scores_of(q)[i] == expected[i].second;
    }
    CHECK(equal);
  }
}

TEST_CASE("a batch of more queries than a pass has room for keeps each query's filter") {
  constexpr std::size_t kQueries = 140;  // of which a pass has room for 131 at this k
  std::mt19937 random(1);
  const std::vector<float> items = normal_values(random, 300 * 4);
  const std::vector<float> queries = normal_values(random, kQueries * 4);
  std::vector<std::vector<std::uint32_t>> excluded(kQueries);
  std::vector<RowFilter> filters(kQueries);
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (std::uint32_t row = static_cast<std::uint32_t>(q % 7); row < 300; row += 7) excluded[q].push_back(row);
    filters[q].excluded = excluded[q];
  }
  check_batch({items, 300, 4}, {}, {.queries = {queries, kQueries, 4}, .k = 1000, .filters = filters});
}

TEST_CASE("dimensions whose queries fit shared memory eight at a time, or not at all, are answered") {
  std::mt19937 random(2);
  for (const std::size_t dim : {700, 1500, 4096}) {
    INFO("dimensions ", dim);
    const std::vector<float> items = normal_values(random, 100 * dim);
    const std::vector<float> queries = normal_values(random, 9 * dim);
    for (const MatrixOptions& options :
         {MatrixOptions{}, MatrixOptions{.storage = Precision::kFp16, .scan = Precision::kFp16},
          MatrixOptions{.storage = Precision::kInt4, .int4_group = 64}}) {
      check_batch({items, 100, dim}, options, {.queries = {queries, 9, dim}, .k = 10});
    }
  }
}

}  // namespace
