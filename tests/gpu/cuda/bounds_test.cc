#include "gpu/cuda/bounds.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace cairn::gpu::cuda;

/// Values as codes: value = scale × code + error, with the norms of both parts rounded up.
struct Coded {
  std::vector<int> codes;
  float scale = 0.0F;
  float code_norm = 0.0F;
  float error_norm = 0.0F;
  float norm = 0.0F;
};

Coded code(const std::vector<float>& values, int code_max) {
  float largest = 1e-30F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  Coded coded;
  coded.scale = largest / static_cast<float>(code_max);
  double codes = 0.0;
  double errors = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    coded.codes.push_back(static_cast<int>(std::lrint(value / coded.scale)));
    const double decoded = static_cast<double>(coded.scale) * coded.codes.back();
    codes += decoded * decoded;
    errors += std::pow(static_cast<double>(value) - decoded, 2);
    squares += std::pow(static_cast<double>(value), 2);
  }
  coded.code_norm = static_cast<float>(std::sqrt(codes) * (1 + 1e-6));
  coded.error_norm = static_cast<float>(std::sqrt(errors) * (1 + 1e-6));
  coded.norm = static_cast<float>(std::sqrt(squares) * (1 + 1e-6));
  return coded;
}

TEST_CASE("scores lie within their bounds, which are no wider than their source allows") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  double widest = 0.0;
  for (int trial = 0; trial < 20000; ++trial) {
    const std::uint32_t dim = 1 + random() % 130;
    const int code_max = trial % 2 == 0 ? 127 : 7;
    const float row_size = std::exp(static_cast<float>(random() % 40) - 20.0F);
    const float query_size = std::exp(static_cast<float>(random() % 40) - 20.0F);
    std::vector<float> row(dim);
    std::vector<float> query(dim);
    for (float& value : row) value = normal(random) * row_size;
    for (std::uint32_t j = 0; j < dim; ++j) {
      // Some queries are aligned with the errors, where the bound is tight.
      query[j] = trial % 3 == 0 ? row[j] / row_size * query_size : normal(random) * query_size;
    }
    const Coded x = code(row, code_max);
    const Coded q = code(query, 127);
    std::int64_t product = 0;
    float score = 0.0F;
    for (std::uint32_t j = 0; j < dim; ++j) {
      product += static_cast<std::int64_t>(x.codes[j]) * q.codes[j];
      score = std::fmaf(query[j], row[j], score);
    }
    const float bias = trial % 5 == 0 ? normal(random) * 100.0F * row_size * query_size : 0.0F;
    score += bias;
    const QueryBound bound = make_query_bound(q.scale, q.norm, q.error_norm, rounding_of(CodeKind::kInt8, dim, 1));
    const float scaled = static_cast<float>(product) * x.scale;
    const std::uint32_t norms = pack_norms(x.code_norm, x.error_norm);
    const ScoreBounds bounds = score_bounds(bound, scaled, code_norm_of(norms), error_norm_of(norms), bias);
    INFO("trial ", trial, ", ", dim, " dimensions");
    CHECK(bounds.lower <= score);
    CHECK(score <= bounds.upper);
    if (bias == 0.0F) {
      // What a tile with these norms is tested with lets the row pass at any threshold that it reaches.
      CHECK(scaled >= tile_threshold(bound, score, code_norm_of(norms), error_norm_of(norms)));
      const double margin = static_cast<double>(bounds.upper) - static_cast<double>(bounds.lower);
      const double source = 2.0 * (static_cast<double>(q.error_norm) * static_cast<double>(x.code_norm) +
                                   static_cast<double>(q.norm) * static_cast<double>(x.error_norm)) +
                            4e-4 * static_cast<double>(q.norm) * static_cast<double>(x.code_norm);
      widest = std::max(widest, margin / source);
    }
  }
  CHECK(widest < 1.05);
}

TEST_CASE("norms are packed rounded up, and infinity stays") {
  std::mt19937 random(4);
  for (int trial = 0; trial < 10000; ++trial) {
    const float a = std::exp(static_cast<float>(random() % 1000) / 20.0F - 25.0F);
    const float b = std::exp(static_cast<float>(random() % 1000) / 20.0F - 25.0F);
    const std::uint32_t packed = pack_norms(a, b);
    CHECK(code_norm_of(packed) >= a);
    CHECK(code_norm_of(packed) <= a * 1.008F);
    CHECK(error_norm_of(packed) >= b);
    CHECK(error_norm_of(packed) <= b * 1.008F);
  }
  CHECK(code_norm_of(pack_norms(0.0F, kInfinity)) == 0.0F);
  CHECK(error_norm_of(pack_norms(0.0F, kInfinity)) == kInfinity);
}

TEST_CASE("a row without bounds may have any score, whatever its products are") {
  const QueryBound bound = make_query_bound(0.01F, 1.0F, 0.001F, 1e-5F);
  for (const float product : {0.0F, 1e30F, -kInfinity, kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const float bias : {0.0F, 3.0F, kInfinity, -kInfinity}) {
      const ScoreBounds bounds = score_bounds(bound, product, 0.0F, kInfinity, bias);
      CHECK(bounds.lower == (bias == kInfinity && product == 0.0F ? bounds.lower : -kInfinity));
      CHECK(bounds.upper >= bias);
      CHECK(!std::isnan(bounds.lower));
    }
  }
  CHECK(!(1e30F < tile_threshold(bound, 5.0F, 1.0F, kInfinity)));
  CHECK(!(-1e30F < tile_threshold(bound, 5.0F, 1.0F, kInfinity)));
}

}  // namespace
