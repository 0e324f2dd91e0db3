#include "gpu/cpu/tile_bounds.h"

#include <algorithm>
#include <cmath>

#include "gpu/parallel.h"
#include "gpu/scan_numbers.h"

namespace cairn::gpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kOne = 1 << 30;            // a radius in FixedPoint
constexpr double kDiameterKm = 12742.0176;  // twice the radius of cairn/geo.h, rounded up
/// No logarithm of a positive normal float is larger.
constexpr float kLnMax = 89.0F;
/// Sums of parts no larger than this are finite.
constexpr double kLarge = 1e30;
/// Where a result is too small for its full precision, an operation is off by at most 2^-150: those of a score and of
/// its bound together by less than this.
constexpr float kSmallest = 0x1p-140F;
/// In parts of all that a bound is summed of: twice what the operations of a score and of its bound may be off.
constexpr float kRoundings = 0x1p-19F;
/// How much of itself a computed distance may differ from another that it is compared with: both may be off.
float far_share() { return static_cast<float>(3.0 * kScanError.far_share); }

/// Read where tiles have no prior, and as their tags.
alignas(64) constexpr float kZeros[kScanTileRows] = {};
alignas(64) constexpr std::uint32_t kZeroTags[kScanTileRows] = {};

struct Point {
  double x = 0.0;
  double y = 0.0;
  double z = 0.0;
};

double angle_between(const Point& a, const Point& b) {
  const double chord = std::hypot(a.x - b.x, a.y - b.y, a.z - b.z);
  return 2.0 * std::asin(std::min(1.0, chord / 2.0));
}

Point point_of(const FixedPoint& fixed) {
  return {static_cast<double>(fixed.x) / kOne, static_cast<double>(fixed.y) / kOne,
          static_cast<double>(fixed.z) / kOne};
}
Point point_of(const ScanRows& rows, std::size_t row) { return point_of({rows.x[row], rows.y[row], rows.z[row]}); }

/// Whoever fills a table may put points anywhere; what follows from angles holds on the sphere.
bool on_sphere(const Point& point) { return std::abs(std::hypot(point.x, point.y, point.z) - 1.0) < 1e-8; }

Point middle_of(const ScanRows& rows, std::size_t begin, std::size_t end) {
  Point sum;
  for (std::size_t r = begin; r < end; ++r) {
    const Point point = point_of(rows, r);
    sum = {sum.x + point.x, sum.y + point.y, sum.z + point.z};
  }
  const double norm = std::hypot(sum.x, sum.y, sum.z);
  if (norm < 1e-3) return point_of(rows, begin);  // all round the Earth
  return {sum.x / norm, sum.y / norm, sum.z / norm};
}

/// The float above a positive number.
float rounded_up(double value) {
  if (value >= static_cast<double>(std::numeric_limits<float>::max())) return kInfinity;
  return std::nextafter(static_cast<float>(value), kInfinity);
}

float largest_magnitude_of(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
  return largest;
}

float largest_of(std::span<const float> values) {
  float largest = -kInfinity;
  for (const float value : values) largest = value > largest ? value : largest;  // NaN is left out: no row scores it
  return largest;
}

}  // namespace

// ---- shapes -------------------------------------------------------------------------------------------------------

std::size_t TileShapes::bytes_needed(std::size_t tiles) { return 5 * padded_tiles(tiles) * sizeof(float); }

TileShapes::TileShapes(const ScanRows& rows, std::size_t threads) {
  const std::size_t count = rows.x.size();
  tiles_ = (count + kScanTileRows - 1) / kScanTileRows;
  memory_ = Buffer(bytes_needed(tiles_));
  auto* const coordinates = memory_.as<std::int32_t>();
  auto* const reach = memory_.as<float>() + 3 * padded_tiles(tiles_);
  parallel_for(threads, tiles_, [&](std::size_t tile) {
    const std::size_t begin = tile * kScanTileRows;
    const std::size_t end = std::min(count, begin + kScanTileRows);
    const Point middle = middle_of(rows, begin, end);
    const double axes[] = {middle.x, middle.y, middle.z};
    for (std::size_t i = 0; i < 3; ++i) {
      coordinates[i * padded_tiles(tiles_) + tile] = static_cast<std::int32_t>(std::lround(axes[i] * kOne));
    }
    double angle = 0.0;
    for (std::size_t r = begin; r < end; ++r) {
      const Point point = point_of(rows, r);
      angle = on_sphere(point) ? std::max(angle, angle_between(middle, point)) : static_cast<double>(kInfinity);
    }
    const double km = angle * kDiameterKm / 2.0 * (1.0 + 2.0 * kScanError.far_share) + 4.0 * kScanError.distance_km;
    reach[tile] = rounded_up(km / static_cast<double>(kScanUnitKm));
  });
}

void TileShapes::set_norm(std::size_t tile, double norm) {
  memory_.as<float>()[4 * padded_tiles(tiles_) + tile] = rounded_up(norm);
}

// ---- bounds -------------------------------------------------------------------------------------------------------

/// What the kernels compute of the tiles of one group.
struct TileBounds::Group {
  alignas(64) float distances[kScanTileRows];
  alignas(64) float near[kScanTileRows];
  alignas(64) float far[kScanTileRows];
  alignas(64) float scores[kScanTileRows];
  std::uint64_t unused[2];
};

// Why no row of a tile has a higher score than its bound. Each part of a score is a monotonic function of what it is
// made of, and a bound takes for each the best of the tile: the largest prior and logs[r], the largest of the tables by
// tag (of all tags, a little more than of those of the tile), and the least distance that the triangle inequality
// allows, or the largest for a term that grows with distance. The computed parts are monotonic up to the errors of ln
// and exp; sums are off by their roundings. Both are covered by the margin, which is made of the bound's own parts: a
// row whose part is smaller by more than the margin allows has a score that is smaller by as much. That holds as long
// as nothing overflows, which is checked first, and underflow has a margin of its own.
void TileBounds::make(const ScanKernels& kernels, const TileShapes& shapes, const ScanQuery& query,
                      const ScanTerms& terms, const ScoreCall& call, const Columns& columns, double query_norm,
                      std::span<const std::uint32_t> blocks) {
  without_vector_.clear();
  if (shapes.empty() || blocks.empty() || (terms.has_logs && !(query.logs_weight > 0.0F))) return;
  if (terms.needs_distance && !on_sphere(point_of(query.position))) return;
  terms_ = terms;
  columns_ = columns;
  first_ = call;
  shrinking_ = growing_ = {.call = call};
  for (std::size_t i = 0; i < terms.log_terms; ++i) {
    OfDistance& of = terms.log_weight[i] > 0.0F ? growing_ : shrinking_;
    of.call.log_weight[of.logs] = terms.log_weight[i];
    of.call.log_per_unit[of.logs++] = terms.log_per_unit[i];
  }
  if (terms.has_exp) (terms.exp_weight > 0.0F ? shrinking_ : growing_).exp = true;

  const float tag = query.tag_table.empty() ? 0.0F : largest_of(query.tag_table);
  if (terms.has_logs) largest_logs_ = largest_of(query.logs_table);
  float log_weights = terms.has_logs ? query.logs_weight : 0.0F;
  for (std::size_t i = 0; i < terms.log_terms; ++i) log_weights += std::abs(terms.log_weight[i]);
  const float exp_weight = terms.has_exp ? std::abs(terms.exp_weight) : 0.0F;
  const double parts = static_cast<double>(largest_magnitude_of(query.tag_table)) +
                       static_cast<double>(columns.prior_magnitude) +
                       static_cast<double>(kLnMax) * static_cast<double>(log_weights) + static_cast<double>(exp_weight);
  if (!(parts < kLarge)) return;
  const auto ln_error = static_cast<float>(2.0 * kScanError.ln) * kLnMax;
  const auto exp_error = static_cast<float>(2.0 * kScanError.exp);
  added_ = tag + ln_error * log_weights + exp_error * exp_weight +
           kRoundings * (2.0F * std::abs(tag) + kLnMax * log_weights + exp_weight) + kSmallest;

  norms_ = shapes.norms();
  if (terms.has_vector) {
    const double weight = std::abs(static_cast<double>(call.dot_weight));
    vector_reach_ = rounded_up(weight * query_norm * (1.0 + 1e-5));
    vector_margin_ = rounded_up(weight * static_cast<double>(query.vector.size() + 8) * 0x1p-148);
    norm_max_ = static_cast<float>(kLarge / std::max({1.0, query_norm, weight * query_norm}));
    products_per_score_ = 1.0F / call.dot_weight;
  }
  const std::size_t groups = padded_tiles((blocks.back() + 1) * kScanBlockTiles) / kScanTileRows;
  without_vector_.assign(groups * kScanTileRows, kInfinity);
  with_vector_.assign(terms.has_vector ? groups * kGroupBlocks : 0, kInfinity);
  where_.clear();
  if (terms.has_radius) where_.assign(groups * kScanTileRows, Where::kAcross);
  std::size_t next = 0;
  for (const std::uint32_t block : blocks) {
    if (block / kGroupBlocks < next) continue;
    next = block / kGroupBlocks;
    bound(kernels, shapes, next++);
  }
}

void TileBounds::bound(const ScanKernels& kernels, const TileShapes& shapes, std::size_t group) {
  const std::size_t first = group * kScanTileRows;
  Group now;
  ScoreCall call = first_;
  call.tiles = 1;
  call.x = shapes.x() + first;
  call.y = shapes.y() + first;
  call.z = shapes.z() + first;
  call.prior = columns_.prior == nullptr ? kZeros : columns_.prior + first;
  call.logs = columns_.logs == nullptr ? nullptr : columns_.logs + first;
  call.tags = kZeroTags;
  call.logs_table = &largest_logs_;
  call.distances = now.distances;
  call.scores = now.scores;
  call.inside = &now.unused[0];
  call.rim = &now.unused[1];
  kernels.first[terms_.needs_distance ? 1 : 0][0][terms_.has_logs ? 2 : 0](call);
  if (terms_.needs_distance) {
    const float share = far_share();
    for (std::size_t t = 0; t < kScanTileRows; ++t) {
      const float reach = shapes.reach()[first + t];
      now.near[t] = std::max(0.0F, now.distances[t] * (1.0F - share) - reach);
      now.far[t] = now.distances[t] * (1.0F + share) + reach;
    }
    if (terms_.has_radius) place(now, first);
  }
  const auto add = [&](const OfDistance& terms, float* distances) {
    if (terms.logs == 0 && !terms.exp) return;
    call = terms.call;
    call.tiles = 1;
    call.distances = distances;
    call.scores = now.scores;
    kernels.second[terms.logs][terms.exp ? 1 : 0][0](call);
  };
  add(shrinking_, now.near);
  add(growing_, now.far);
  for (std::size_t t = 0; t < kScanTileRows; ++t) {
    const float prior = columns_.prior == nullptr ? 0.0F : std::abs(columns_.prior[first + t]);
    const float bound = now.scores[t] + (added_ + kRoundings * prior);
    without_vector_[first + t] = bound < kInfinity ? bound : kInfinity;  // NaN as well
  }
  // Behind the last row there is nothing to answer.
  for (std::size_t tile = std::max(first, shapes.tiles()); tile < first + kScanTileRows; ++tile) {
    without_vector_[tile] = -kInfinity;
  }
  if (!with_vector_.empty()) add_vector(first);
}

void TileBounds::place(const Group& group, std::size_t first) {
  const float end = std::max(first_.radius, first_.rim_end);  // a rim may end before the radius does
  for (std::size_t t = 0; t < kScanTileRows; ++t) {
    where_[first + t] = group.far[t] <= first_.radius ? Where::kWithin
                        : group.near[t] > end         ? Where::kBeyond
                                                      : Where::kAcross;
  }
}

void TileBounds::add_vector(std::size_t first) {
  for (std::size_t t = 0; t < kScanTileRows; t += kScanBlockTiles) {
    float largest = -kInfinity;
    for (std::size_t i = first + t; i < first + t + kScanBlockTiles; ++i) {
      const float bound = without_vector_[i] + (vector_reach_ * norms_[i] + vector_margin_);
      const bool finite = norms_[i] <= norm_max_ && bound < kInfinity;  // NaN is not
      largest = std::max(largest, finite ? bound : kInfinity);
    }
    with_vector_[(first + t) / kScanBlockTiles] = largest;
  }
}

void TileBounds::least_products(std::size_t first, std::size_t tiles, float threshold, float* least) const noexcept {
  const float* const bounds = without_vector_.data() + first;
  const float of_threshold = threshold - kRoundings * std::abs(threshold);
  for (std::size_t t = 0; t < tiles; ++t) {
    const float product = (of_threshold - bounds[t] - kRoundings * std::abs(bounds[t])) * products_per_score_;
    // What is not a number, or infinite, becomes -infinity.
    least[t] = std::abs(product) < kInfinity && products_per_score_ > 0.0F ? product : -kInfinity;
  }
}

}  // namespace cairn::gpu
