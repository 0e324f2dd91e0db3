#include "gpu/dot_products.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace {

using namespace cairn::gpu;

std::vector<float> normal(std::size_t size, std::mt19937_64& random) {
  std::normal_distribution<float> draw;
  std::vector<float> values(size);
  for (float& value : values) value = draw(random);
  return values;
}

TEST_CASE("dot products are chains of fused multiply-adds, however many are asked for and wherever the rows stand") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    const std::size_t dim = 1 + random() % 70;
    const std::size_t queries = 1 + random() % 20;
    const std::size_t items = 1 + random() % 40;
    const std::vector<float> q = normal(queries * dim, random);
    const std::vector<float> x = normal(items * dim, random);
    std::vector<const float*> rows(random() % 3'000);
    for (const float*& row : rows) row = x.data() + random() % items * dim;
    std::vector<float> out(queries * rows.size(), -1.0F);
    dot_products({q, queries, dim}, rows, seed % 3, out);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const float* query = q.data() + i / rows.size() * dim;
      float sum = 0.0F;
      for (std::size_t j = 0; j < dim; ++j) sum = std::fmaf(query[j], rows[i % rows.size()][j], sum);
      wrong += std::bit_cast<std::uint32_t>(sum) != std::bit_cast<std::uint32_t>(out[i]) ? 1 : 0;
    }
    CHECK(wrong == 0);

    std::vector<float> all(queries * items);
    dot_products({q, queries, dim}, {x, items, dim}, seed % 3, all);
    std::vector<const float*> in_order;
    for (std::size_t i = 0; i < items; ++i) in_order.push_back(x.data() + i * dim);
    std::vector<float> same(all.size());
    dot_products({q, queries, dim}, in_order, 1, same);
    CHECK(all == same);
  }
}

}  // namespace
