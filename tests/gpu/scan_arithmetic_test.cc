// The functions that scores are made of, over dense grids of their arguments, on every instruction set.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cairn/geo.h"
#include "gpu/cpu/scan_kernels.h"
#include "tests/gpu/every_instruction_set.h"

namespace {

using namespace cairn::gpu;

constexpr double kUnit = 0x1p-24;
constexpr std::size_t kRows = kScanBlockRows;

const ScanKernels& kernels_of(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kScanAvx512;
  if (set == InstructionSet::kAvx2) return kScanAvx2;
#endif
  return kScanScalar;
}

/// A block of rows, and what kernels make of it.
struct Rows {
  Rows() : x(kRows), zeros(kRows), tags(kRows), logs(kRows), distances(kRows), scores(kRows), inside(kScanBlockTiles) {
    call.tiles = kScanBlockTiles;
    call.x = x.data();
    call.y = call.z = zeros.data();
    call.tags = tags.data();
    call.prior = scores.data();
    call.logs = logs.data();
    call.logs_table = no_table;
    call.logs_weight = 1.0F;
    call.exp_weight = 1.0F;
    call.distances = distances.data();
    call.scores = scores.data();
    call.inside = inside.data();
  }

  std::vector<std::int32_t> x;
  std::vector<std::int32_t> zeros;
  std::vector<std::uint32_t> tags;
  std::vector<float> logs;
  std::vector<float> distances;
  std::vector<float> scores;
  std::vector<std::uint64_t> inside;
  float no_table[1] = {0.0F};
  ScoreCall call = {};
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Computes with the best instruction set, and with all in every 16th block: their results have the same bits.
template <class Compute>
void on_every_set(std::size_t block, const std::vector<float>& result, const Compute& compute) {
  compute(kernels_of(best_instruction_set()));
  if (block % 16 != 0) return;
  const std::vector<float> best = result;
  for (const InstructionSet set : every_instruction_set()) {
    compute(kernels_of(set));
    if (!same_bits(result, best)) FAIL("block ", block, " differs on ", std::string(to_string(set)));
  }
}

TEST_CASE("a logarithm is off by at most 2.4 roundings of 1 or of itself, for every mantissa") {
  Rows rows;
  double worst = 0.0;
  for (const int exponent : {-126, -125, -60, -10, -3, -2, -1, 0, 1, 2, 3, 4, 7, 13, 14, 30, 90, 127}) {
    // Around 1, where sums cancel, all mantissas; else every fifteenth.
    const std::uint32_t step = exponent >= -2 && exponent <= 1 ? 1 : 15;
    for (std::uint32_t first = 0; first < (1U << 23); first += step * kRows) {
      for (std::uint32_t i = 0; i < kRows; ++i) {
        const std::uint32_t digits = std::min(first + i * step, (1U << 23) - 1);
        rows.logs[i] = std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23 | digits);
      }
      on_every_set(first / (step * kRows), rows.scores, [&](const ScanKernels& kernels) {
        std::fill(rows.scores.begin(), rows.scores.end(), 0.0F);
        kernels.first[0][0][2](rows.call);
      });
      for (std::size_t i = 0; i < kRows; ++i) {
        const double ln = std::log(static_cast<double>(rows.logs[i]));
        const double off = std::abs(static_cast<double>(rows.scores[i]) - ln) / std::max(1.0, std::abs(ln));
        worst = std::max(worst, off);
      }
    }
  }
  MESSAGE("worst: ", worst / kUnit, " roundings");
  CHECK(worst <= 2.4 * kUnit);
  CHECK(kScanError.ln >= 3.4 * kUnit);  // one more for the argument
}

TEST_CASE("an exponential is off by at most what is stated, for distances from none to where nothing is left") {
  Rows rows;
  double worst = 0.0;
  for (const float per_km : {1.0F, 0.001F, 7.3F}) {
    rows.call.exp_per_unit = per_km * -std::numbers::log2e_v<float> * kScanUnitKm;
    rows.call.exp_units_max = 125.0F / -rows.call.exp_per_unit;
    // Distances up to where the exponential is 0 beside 1, densely; then up to half of the Earth's circumference.
    for (std::size_t block = 0; block < 4100; ++block) {
      for (std::size_t i = 0; i < kRows; ++i) {
        const double at = static_cast<double>(block * kRows + i) / (4000.0 * kRows);
        const double km = block < 4000 ? 30.0 * at / static_cast<double>(per_km) : 19000.0 * at;
        rows.distances[i] = static_cast<float>(km) / kScanUnitKm;
      }
      on_every_set(block, rows.scores, [&](const ScanKernels& kernels) {
        std::fill(rows.scores.begin(), rows.scores.end(), 0.0F);
        kernels.second[0][1][0](rows.call);
      });
      for (std::size_t i = 0; i < kRows; ++i) {
        const double truth =
            std::exp(-static_cast<double>(per_km) * static_cast<double>(rows.distances[i] * kScanUnitKm));
        worst = std::max(worst, std::abs(static_cast<double>(rows.scores[i]) - truth));
      }
    }
  }
  MESSAGE("worst: ", worst / kUnit, " roundings of 1");
  CHECK(worst <= kScanError.exp);
}

TEST_CASE("an arc is off by at most 4 roundings up to a quarter of the circumference, and by far_share beyond") {
  constexpr double kRadiusKm = cairn::kEarthRadiusMeters / 1000.0;
  Rows rows;
  double worst_near = 0.0;
  double worst_far = 0.0;
  // A row beside the origin: its x alone is the chord, 2^30 the radius, so that 2^31 is as long as chords are. Numbers
  // of 24 bits, which are exact in float.
  for (int shift = 0; shift < 8; ++shift) {
    for (std::int32_t first = shift == 7 ? 0 : 1 << 23; first < (1 << 24); first += 9 * static_cast<int>(kRows)) {
      for (std::size_t i = 0; i < kRows; ++i) {
        rows.x[i] = std::min(first + 9 * static_cast<std::int32_t>(i), (1 << 24) - 1) << shift;
      }
      on_every_set(static_cast<std::size_t>(first) / (9 * kRows), rows.distances,
                   [&](const ScanKernels& kernels) { kernels.first[1][0][0](rows.call); });
      for (std::size_t i = 0; i < kRows; ++i) {
        const double sine = static_cast<double>(rows.x[i]) * 0x1p-31;
        const double truth = 2.0 * kRadiusKm * std::asin(sine);
        if (truth == 0.0) continue;
        const double off = std::abs(static_cast<double>(rows.distances[i] * kScanUnitKm) - truth) / truth;
        double& worst = sine * sine <= 0.5 ? worst_near : worst_far;
        worst = std::max(worst, off);
      }
    }
  }
  MESSAGE("worst: ", worst_near / kUnit, " roundings; beyond a quarter ", worst_far);
  CHECK(worst_near <= 4.0 * kUnit);
  CHECK(worst_far <= kScanError.far_share);
}

TEST_CASE("counting, keeping and the range of scores agree with plain loops, whatever their number") {
  std::mt19937 random(3);
  const float few[] = {-2.0F, -0.0F, 0.0F, 1.0F, 7.0F, std::numeric_limits<float>::infinity()};
  for (std::size_t size = 1; size < 90; ++size) {
    INFO("size ", size);
    std::vector<float> scores(size + kScanRoom, 100.0F);  // what stands behind them does not count
    std::vector<std::uint32_t> rows(size + kScanRoom);
    for (std::size_t i = 0; i < size; ++i) scores[i] = few[random() % std::size(few)];
    std::iota(rows.begin(), rows.end(), 0U);
    const float bound = few[random() % std::size(few)];
    std::vector<std::uint32_t> kept;
    for (std::size_t i = 0; i < size; ++i) {
      if (scores[i] >= bound) kept.push_back(static_cast<std::uint32_t>(i));
    }
    const auto [least, largest] = std::minmax_element(scores.begin(), scores.end() - kScanRoom);
    for (const InstructionSet set : every_instruction_set()) {
      INFO(std::string(to_string(set)));
      float low = 0.0F;
      float high = 0.0F;
      kernels_of(set).range(scores.data(), size, &low, &high);
      CHECK(low == *least);
      CHECK(high == *largest);
      CHECK(kernels_of(set).count(scores.data(), size, bound) == kept.size());
      std::vector<float> scores_left = scores;
      std::vector<std::uint32_t> rows_left = rows;
      REQUIRE(kernels_of(set).keep(rows_left.data(), scores_left.data(), size, bound) == kept.size());
      for (std::size_t i = 0; i < kept.size(); ++i) {
        CHECK(rows_left[i] == kept[i]);
        CHECK(scores_left[i] == scores[kept[i]]);
      }
    }
  }
}

}  // namespace
