#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/rows.h"

/// The fused scan: one pass over rows that have a position, a tag and perhaps a vector, which gives every row a score
/// for each query and keeps the best. Rows and tags mean nothing here.
namespace cairn::gpu {

/// A position as a unit vector in fixed point: (cos lat cos lon, cos lat sin lon, sin lat) · 2^30, rounded. Near points
/// are told apart as well as far ones: a step is 6 mm on the Earth.
struct FixedPoint {
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::int32_t z = 0;

  friend bool operator==(const FixedPoint&, const FixedPoint&) = default;
};
[[nodiscard]] FixedPoint fixed_point(double lat_degrees, double lon_degrees) noexcept;

/// What a scan reads of every row, borrowed while a table is made of it. Positions and tags are there for all rows.
struct ScanRows {
  std::span<const std::int32_t> x = {};  ///< FixedPoint, by row
  std::span<const std::int32_t> y = {};
  std::span<const std::int32_t> z = {};
  std::span<const std::uint32_t> tags = {};  ///< by row, each below tag_count
  std::size_t tag_count = 0;
  std::span<const float> vectors = {};  ///< rows × dim, or empty
  std::size_t dim = 0;
  bool int8 = false;  ///< keep vectors as codes of 8 bits with a scale a row; a query's vector is coded likewise
};

/// One number a row, kept where the scan reads it. Threads: set() must not run while a scan reads the column.
class ScanColumn {
 public:
  virtual ~ScanColumn() = default;
  /// Replaces the values of some rows. Requires: as many values as rows, all rows exist, and none comes twice. When a
  /// device cannot set them, scans that read the column fail and say so.
  virtual void set(std::span<const std::uint32_t> rows, std::span<const float> values) = 0;

 protected:
  ScanColumn() = default;
  ScanColumn(const ScanColumn&) = default;
  ScanColumn& operator=(const ScanColumn&) = default;
};

/// The largest per_km of a term.
inline constexpr float kScanPerKmMax = 1e30F;

/// One query. The score of row r, whose tag is t and whose distance is d kilometres, is, in float:
///
///     s = prior[r] + tag_table[t]
///       + logs_weight · ln(logs[r] + logs_table[t])
///       + Σ_i log_distance[i].weight · ln(1 + log_distance[i].per_km · d)
///       + exp_distance.weight · exp(-exp_distance.per_km · d)
///       + vector_weight · ⟨vector, vector of r⟩
///       + added (where r is listed)
///
/// Terms of weight 0 and columns that are absent add nothing. The order of the operations is fixed, so a score has the
/// same bits on every backend and instruction set. kScanError says how far it may be from the true value.
struct ScanQuery {
  struct DistanceTerm {
    float weight = 0.0F;
    float per_km = 0.0F;  ///< 0 to kScanPerKmMax
  };

  FixedPoint position = {};
  const ScanColumn* prior = nullptr;       ///< of the same table; null: 0
  const ScanColumn* logs = nullptr;        ///< of the same table; null: no such term
  std::span<const float> tag_table = {};   ///< by tag; -infinity: rows of this tag do not pass. Empty: 0
  std::span<const float> logs_table = {};  ///< by tag; required with logs
  float logs_weight =
      0.0F;  ///< a row where logs[r] + logs_table[t] is no positive normal number scores NaN, unless this is 0
  DistanceTerm log_distance[2] = {};
  DistanceTerm exp_distance = {};
  std::span<const float> vector = {};  ///< dim of the table, or empty
  float vector_weight = 0.0F;
  std::span<const std::uint32_t> added_rows = {};  ///< ascending, each once
  std::span<const float> added = {};               ///< one each of added_rows

  // Which rows pass: all that are asked for below.
  std::optional<std::span<const RowRange>> ranges = {};        ///< ascending, disjoint
  std::optional<std::span<const std::uint64_t>> allowed = {};  ///< bit r % 64 of word r / 64; ceil(rows / 64) words
  std::span<const std::uint32_t> excluded = {};                ///< ascending
  /// Rows at most so far away pass; a row beyond this, but not beyond rim_km, does not pass and is listed as one of the
  /// rim, for who can measure better.
  float radius_km = std::numeric_limits<float>::infinity();
  float rim_km = std::numeric_limits<float>::infinity();

  std::size_t k = 0;
  /// Rows whose score is at least the k-th best score less this are answered as well. 0 or more.
  float slack = 0.0F;
};

/// How far what a scan computes may be from the true value, on the sphere of cairn/geo.h. With d the true distance, the
/// computed one is off by at most
///
///     distance_km + d · (d <= distance_km_max ? distance_share : far_share)
///
/// A score is off by at most the sum of: `ln` times the weight times max(1, |L|), for each logarithm L; the weight
/// times per_km times the error of the distance, for each term of distance; `exp` times the weight of the exponential;
/// vector_weight times vector_error(); and `operations` · 2^-24 times the sum of the magnitudes of all its parts.
struct ScanError {
  double distance_km = 0.0;
  double distance_share = 0.0;
  double far_share = 0.0;
  double distance_km_max = 0.0;
  double ln = 0.0;          ///< the rounding of the logarithm's argument included
  double exp = 0.0;         ///< the rounding of the exponential's argument included
  double operations = 0.0;  ///< additions and roundings that a score goes through
};
extern const ScanError kScanError;

/// The answer to one query.
struct ScanAnswer {
  std::vector<std::uint32_t> rows = {};  ///< best first; of equal scores the lower row
  std::vector<float> scores = {};        ///< of these rows
  std::vector<std::uint32_t> rim = {};   ///< ascending; rows between radius_km and rim_km that pass all other filters
  std::uint64_t passed = 0;              ///< rows that passed, those of the rim not counted
  bool by_fallback = false;              ///< of a guarded backend: the device did not answer
};

/// The rows of ScanRows where a backend's kernels read them. Immutable, but for the columns made of it.
///
/// A row whose score is NaN is never answered, and is counted as passed. Threads: any number may call any method at
/// once.
class ScanTable {
 public:
  virtual ~ScanTable() = default;

  [[nodiscard]] virtual std::size_t rows() const noexcept = 0;
  [[nodiscard]] virtual std::size_t dim() const noexcept = 0;
  /// Bytes that the table holds, its columns apart.
  [[nodiscard]] virtual std::size_t resident_bytes() const noexcept = 0;

  /// A column of this table with these values, one a row.
  /// Returns: INVALID_ARGUMENT for another number of values, RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual Result<std::unique_ptr<ScanColumn>> make_column(std::span<const float> values) const = 0;

  /// The largest error of ⟨vector, vector of r⟩ over all rows, when vectors are kept as codes; 0 when they are not, and
  /// then the sum is a chain of fused multiply-adds in the order of the columns.
  [[nodiscard]] virtual float vector_error(std::span<const float> vector) const = 0;

  /// Answers each query; answers have the order of queries.
  /// Returns: INVALID_ARGUMENT saying what is wrong with which query; of a device also RESOURCE_EXHAUSTED when it has
  /// no memory for what a scan needs beside the table, INTERNAL, and UNAVAILABLE when it is lost.
  [[nodiscard]] virtual Status scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const = 0;

 protected:
  ScanTable() = default;
  ScanTable(const ScanTable&) = default;
  ScanTable& operator=(const ScanTable&) = default;
};

/// What a query is checked against.
struct ScanShape {
  std::size_t rows = 0;
  std::size_t dim = 0;
  std::size_t tag_count = 0;
};

/// Say what is wrong with rows for a table, and with a query of one, its columns apart; every backend asks these first.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_scan_rows(const ScanRows& rows);
[[nodiscard]] Status check_scan_query(const ScanQuery& query, const ScanShape& shape);

}  // namespace cairn::gpu
