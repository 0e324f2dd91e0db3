#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "cairn/geo.h"
#include "gpu/scan.h"

namespace cairn::gpu::testing {

enum class VectorKind { kNone, kFp32, kInt8 };
enum class ScanFilters { kNone, kRandom };

/// What a table is made of, with the positions in degrees.
struct ScanWorld {
  std::vector<GeoPoint> positions;
  std::vector<std::int32_t> x;
  std::vector<std::int32_t> y;
  std::vector<std::int32_t> z;
  std::vector<std::uint32_t> tags;
  std::size_t tag_count = 0;
  std::vector<float> vectors;
  std::size_t dim = 0;
  bool int8 = false;
  std::vector<float> prior;
  std::vector<float> logs;

  [[nodiscard]] std::size_t count() const { return positions.size(); }
  /// Sets x, y and z from the positions.
  void fix_points();
  [[nodiscard]] ScanRows rows() const;
};

/// A query and what it points to, with its position in degrees.
struct OwnedScanQuery {
  GeoPoint position;
  bool has_prior = false;
  bool has_logs = false;
  std::vector<float> tag_table;
  std::vector<float> logs_table;
  float logs_weight = 0.0F;
  ScanQuery::DistanceTerm log_distance[2];
  ScanQuery::DistanceTerm exp_distance;
  std::vector<float> vector;
  float vector_weight = 0.0F;
  std::vector<std::uint32_t> added_rows;
  std::vector<float> added;
  bool has_ranges = false;
  std::vector<RowRange> ranges;
  bool has_allowed = false;
  std::vector<std::uint64_t> allowed;
  std::vector<std::uint32_t> excluded;
  float radius_km = std::numeric_limits<float>::infinity();
  float rim_km = std::numeric_limits<float>::infinity();
  std::size_t k = 0;
  float slack = 0.0F;

  /// All but the columns.
  [[nodiscard]] ScanQuery query() const;
};

/// Places in and around a few cities, some at the poles, at the antimeridian and opposite to a city, some anywhere.
[[nodiscard]] ScanWorld random_world(std::mt19937& random, std::size_t count, VectorKind vectors);
/// A query near a place or anywhere, with any of the terms. Unfiltered ones are free of values that are not finite.
[[nodiscard]] OwnedScanQuery random_query(std::mt19937& random, const ScanWorld& world, ScanFilters filters);

struct TrueScore {
  double score = 0.0;
  double error = 0.0;  ///< what kScanError allows
  double km = 0.0;
};
/// The score in double, by the haversine formula of cairn/geo.h.
[[nodiscard]] TrueScore true_score(const ScanWorld& world, const OwnedScanQuery& query, std::size_t row,
                                   double vector_error);

[[nodiscard]] bool same_bits(std::span<const float> a, std::span<const float> b);
[[nodiscard]] double dot_of(std::span<const float> a, std::span<const float> b);

/// What the definition answers, given the scores of all rows. Distances are those of the scalar kernel.
[[nodiscard]] ScanAnswer defined_answer(const ScanWorld& world, const OwnedScanQuery& query, const ScanAnswer& scores);

}  // namespace cairn::gpu::testing
