#include "tests/gpu/scan_oracle.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "gpu/cpu/scan_kernels.h"

namespace cairn::gpu::testing {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

float uniform(std::mt19937& random, float low, float high) {
  return std::uniform_real_distribution<float>(low, high)(random);
}

GeoPoint anywhere(std::mt19937& random) {
  const double z = std::uniform_real_distribution<double>(-1.0, 1.0)(random);
  return {std::asin(z) * 180.0 / 3.14159265358979323846, std::uniform_real_distribution<double>(-180.0, 180.0)(random)};
}

double wrapped(double lon) { return lon > 180.0 ? lon - 360.0 : lon < -180.0 ? lon + 360.0 : lon; }

GeoPoint near(std::mt19937& random, GeoPoint center, double degrees) {
  std::normal_distribution<double> normal;
  return {std::clamp(center.lat + degrees * normal(random), -90.0, 90.0),
          wrapped(center.lon + degrees * normal(random))};
}

/// Where centers of places are: cities, the antipode of one of them, poles, the antimeridian.
constexpr GeoPoint kCenters[] = {{35.68, 139.69}, {40.71, -74.01}, {-35.68, -40.31}, {90.0, 0.0},
                                 {-90.0, 12.0},   {-16.5, 179.99}, {51.5, 0.0},      {0.0, -179.999}};

std::vector<float> values(std::mt19937& random, std::size_t count, float low, float high) {
  std::vector<float> made(count);
  for (float& value : made) value = uniform(random, low, high);
  return made;
}

std::vector<RowRange> random_ranges(std::mt19937& random, std::size_t rows) {
  std::vector<std::uint32_t> cuts(2 * (random() % 5));
  for (std::uint32_t& cut : cuts) cut = static_cast<std::uint32_t>(random() % (rows + 1));
  std::sort(cuts.begin(), cuts.end());
  std::vector<RowRange> ranges;
  for (std::size_t i = 0; i < cuts.size(); i += 2) ranges.push_back({cuts[i], cuts[i + 1]});
  return ranges;
}

void add_filters(std::mt19937& random, const ScanWorld& world, OwnedScanQuery* query) {
  const std::size_t rows = world.count();
  if (random() % 3 == 0) {
    query->has_ranges = true;
    query->ranges = random_ranges(random, rows);
  }
  if (random() % 3 == 0) {
    query->has_allowed = true;
    query->allowed.resize((rows + 63) / 64);
    const std::uint32_t share = random() % 5;
    // Bits past the last row too: they mean nothing.
    for (std::uint64_t& word : query->allowed) {
      for (int bit = 0; bit < 64; ++bit) word |= std::uint64_t{random() % 4 < share} << bit;
    }
  }
  if (random() % 2 == 0) {
    for (std::size_t i = 0; i < random() % 100; ++i) {
      query->excluded.push_back(static_cast<std::uint32_t>(random() % (rows + 20)));
    }
    std::sort(query->excluded.begin(), query->excluded.end());
  }
  for (float& value : query->tag_table) {
    if (random() % 6 == 0) value = kMinusInfinity;
    if (random() % 30 == 0) value = std::numeric_limits<float>::quiet_NaN();
  }
  if (random() % 2 == 0) {
    const float radii[] = {0.0F, 1.0F, 100.0F, 9000.0F, 15000.0F};
    query->radius_km = radii[random() % 5];
    query->rim_km = random() % 4 == 0 ? query->rim_km : query->radius_km * uniform(random, 0.5F, 2.0F);
  }
}

void add_terms(std::mt19937& random, const ScanWorld& world, OwnedScanQuery* query) {
  query->has_prior = random() % 4 != 0;
  if (random() % 4 != 0) query->tag_table = values(random, world.tag_count, -2.0F, 2.0F);
  if (random() % 3 != 0) {
    query->has_logs = true;
    query->logs_table = values(random, world.tag_count, 0.001F, 50.0F);
    query->logs_weight = uniform(random, -2.0F, 2.0F);
  }
  for (ScanQuery::DistanceTerm& term : query->log_distance) {
    if (random() % 3 != 0) term = {uniform(random, -1.0F, 1.0F), std::exp(uniform(random, -4.0F, 4.0F))};
  }
  if (random() % 3 != 0) query->exp_distance = {uniform(random, -3.0F, 3.0F), std::exp(uniform(random, -6.0F, 2.0F))};
  if (world.dim > 0 && random() % 4 != 0) {
    query->vector = values(random, world.dim, -1.0F, 1.0F);
    query->vector_weight = uniform(random, -2.0F, 2.0F);
  }
  if (random() % 2 == 0) {
    for (std::size_t row = random() % 40; row < world.count(); row += 1 + random() % 200) {
      query->added_rows.push_back(static_cast<std::uint32_t>(row));
      query->added.push_back(uniform(random, -5.0F, 5.0F));
    }
  }
}

bool passes(const OwnedScanQuery& query, const ScanWorld& world, std::uint32_t row) {
  const auto holds = [row](const RowRange& range) { return range.begin <= row && row < range.end; };
  if (query.has_ranges && std::none_of(query.ranges.begin(), query.ranges.end(), holds)) return false;
  if (query.has_allowed && (query.allowed[row / 64] >> (row % 64) & 1) == 0) return false;
  if (std::find(query.excluded.begin(), query.excluded.end(), row) != query.excluded.end()) return false;
  return query.tag_table.empty() || query.tag_table[world.tags[row]] != kMinusInfinity;
}

/// Distances of all rows as the scalar kernel computes them.
std::vector<float> scanned_km(const ScanWorld& world, GeoPoint from) {
  const FixedPoint at = fixed_point(from.lat, from.lon);
  const auto padded = [&](std::vector<std::int32_t> of) {
    of.resize((of.size() + 63) / 64 * 64);
    return of;
  };
  const auto x = padded(world.x);
  const auto y = padded(world.y);
  const auto z = padded(world.z);
  std::vector<float> km(x.size());
  std::vector<float> scores(x.size());
  const std::vector<float> prior(x.size());
  std::vector<std::uint64_t> inside(x.size() / 64);
  ScoreCall call{};
  call.tiles = inside.size();
  call.x = x.data();
  call.y = y.data();
  call.z = z.data();
  call.prior = prior.data();
  call.query_x = at.x;
  call.query_y = at.y;
  call.query_z = at.z;
  call.distances = km.data();
  call.scores = scores.data();
  call.inside = inside.data();
  kScanScalar.first[1][0][0](call);
  for (float& one : km) one *= kScanUnitKm;
  return km;
}

}  // namespace

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

void ScanWorld::fix_points() {
  x.clear();
  y.clear();
  z.clear();
  for (const GeoPoint& position : positions) {
    const FixedPoint point = fixed_point(position.lat, position.lon);
    x.push_back(point.x);
    y.push_back(point.y);
    z.push_back(point.z);
  }
}

ScanRows ScanWorld::rows() const {
  return {.x = x, .y = y, .z = z, .tags = tags, .tag_count = tag_count, .vectors = vectors, .dim = dim, .int8 = int8};
}

ScanQuery OwnedScanQuery::query() const {
  ScanQuery query{.position = fixed_point(position.lat, position.lon),
                  .tag_table = tag_table,
                  .logs_table = logs_table,
                  .logs_weight = logs_weight,
                  .log_distance = {log_distance[0], log_distance[1]},
                  .exp_distance = exp_distance,
                  .vector = vector,
                  .vector_weight = vector_weight,
                  .added_rows = added_rows,
                  .added = added,
                  .excluded = excluded,
                  .radius_km = radius_km,
                  .rim_km = rim_km,
                  .k = k,
                  .slack = slack};
  if (has_ranges) query.ranges = ranges;
  if (has_allowed) query.allowed = allowed;
  return query;
}

ScanWorld random_world(std::mt19937& random, std::size_t count, VectorKind vectors) {
  ScanWorld world;
  const std::size_t tag_counts[] = {1, 7, 40, 300};
  world.tag_count = tag_counts[random() % 4];
  for (std::size_t i = 0; i < count; ++i) {
    const GeoPoint center = kCenters[random() % std::size(kCenters)];
    const double spread = random() % 5 == 0 ? 1e-5 : 0.1;
    world.positions.push_back(random() % 8 == 0 ? anywhere(random) : near(random, center, spread));
    world.tags.push_back(static_cast<std::uint32_t>(random() % world.tag_count));
    world.logs.push_back(std::exp(uniform(random, -8.0F, 8.0F)));
    // Few different values: many scores are equal where nothing else counts.
    world.prior.push_back(static_cast<float>(random() % 50) * 0.25F - 6.0F);
  }
  world.fix_points();
  if (vectors == VectorKind::kNone) return world;
  const std::size_t dims[] = {1, 3, 8, 33, 64};
  world.dim = dims[random() % 5];
  world.int8 = vectors == VectorKind::kInt8;
  world.vectors = values(random, count * world.dim, -1.0F, 1.0F);
  return world;
}

OwnedScanQuery random_query(std::mt19937& random, const ScanWorld& world, ScanFilters filters) {
  OwnedScanQuery query;
  const GeoPoint center = kCenters[random() % std::size(kCenters)];
  query.position = random() % 4 == 0 ? anywhere(random) : random() % 3 == 0 ? center : near(random, center, 0.05);
  add_terms(random, world, &query);
  if (filters == ScanFilters::kNone) return query;
  add_filters(random, world, &query);
  const std::size_t ks[] = {0, 1, 10, 200, world.count(), 2 * world.count()};
  query.k = ks[random() % 6];
  query.slack = random() % 2 == 0 ? 0.0F : uniform(random, 0.0F, 3.0F);
  return query;
}

double dot_of(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

TrueScore true_score(const ScanWorld& world, const OwnedScanQuery& query, std::size_t row, double vector_error) {
  TrueScore truth;
  const double km = distance_meters(query.position, world.positions[row]) / 1000.0;
  const double share = km <= kScanError.distance_km_max ? kScanError.distance_share : kScanError.far_share;
  const double km_error = kScanError.distance_km + share * km;
  double magnitudes = 0.0;
  const auto add = [&](double part) {
    truth.score += part;
    magnitudes += std::abs(part);
  };
  const auto add_ln = [&](double weight, double argument) {
    const double ln = std::log(argument);
    add(weight * ln);
    truth.error += kScanError.ln * std::abs(weight) * std::max(1.0, std::abs(ln));
  };
  if (query.has_prior) add(static_cast<double>(world.prior[row]));
  if (!query.tag_table.empty()) add(static_cast<double>(query.tag_table[world.tags[row]]));
  if (query.has_logs) {
    add_ln(static_cast<double>(query.logs_weight),
           static_cast<double>(world.logs[row]) + static_cast<double>(query.logs_table[world.tags[row]]));
  }
  for (const ScanQuery::DistanceTerm& term : query.log_distance) {
    const double weight = static_cast<double>(term.weight);
    const double per_km = static_cast<double>(term.per_km);
    add_ln(weight, 1.0 + per_km * km);
    truth.error += std::abs(weight) * per_km * km_error;
  }
  const double exp_weight = static_cast<double>(query.exp_distance.weight);
  const double exp_per_km = static_cast<double>(query.exp_distance.per_km);
  add(exp_weight * std::exp(-exp_per_km * km));
  truth.error += std::abs(exp_weight) * (kScanError.exp + exp_per_km * km_error);
  if (!query.vector.empty()) {
    const std::span<const float> vector(world.vectors.data() + row * world.dim, world.dim);
    float chain = 0.0F;
    for (std::size_t j = 0; j < world.dim; ++j) chain = std::fma(query.vector[j], vector[j], chain);
    const double weight = static_cast<double>(query.vector_weight);
    add(weight * (world.int8 ? dot_of(query.vector, vector) : static_cast<double>(chain)));
    truth.error += std::abs(weight) * vector_error;
  }
  const auto added = std::find(query.added_rows.begin(), query.added_rows.end(), row);
  if (added != query.added_rows.end()) {
    add(static_cast<double>(query.added[static_cast<std::size_t>(added - query.added_rows.begin())]));
  }
  truth.error += kScanError.operations * 0x1p-24 * magnitudes;
  truth.km = km;
  return truth;
}

ScanAnswer defined_answer(const ScanWorld& world, const OwnedScanQuery& query, const ScanAnswer& scores) {
  std::map<std::uint32_t, float> score_of;
  for (std::size_t i = 0; i < scores.rows.size(); ++i) score_of[scores.rows[i]] = scores.scores[i];
  const std::vector<float> km = scanned_km(world, query.position);
  ScanAnswer answer;
  std::vector<std::pair<float, std::uint32_t>> found;
  for (std::uint32_t row = 0; row < world.count(); ++row) {
    if (!passes(query, world, row)) continue;
    if (km[row] > query.radius_km) {
      if (km[row] <= query.rim_km) answer.rim.push_back(row);
      continue;
    }
    ++answer.passed;
    const auto score = score_of.find(row);
    if (score != score_of.end()) found.emplace_back(score->second, row);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  if (query.k == 0) return answer;
  for (const auto& [score, row] : found) {
    const bool among_best = answer.rows.size() < query.k;
    if (!among_best && !(score >= answer.scores[query.k - 1] - query.slack)) break;
    answer.rows.push_back(row);
    answer.scores.push_back(score);
  }
  return answer;
}

}  // namespace cairn::gpu::testing
