#include <algorithm>
#include <cmath>
#include <string>

#include "gpu/check_rows.h"
#include "gpu/finite.h"
#include "gpu/item_matrix.h"
#include "gpu/scan.h"

namespace cairn::gpu {
namespace {

std::string number(std::size_t value) { return std::to_string(value); }

Status check_table(std::string_view name, std::span<const float> table, std::size_t tags, bool required) {
  if (table.size() == tags || (table.empty() && !required)) return ok_status();
  return invalid_argument(std::string(name) + " has " + number(table.size()) + " values for " + number(tags) + " tags");
}

Status check_weight(std::string_view name, float weight) {
  if (std::isfinite(weight)) return ok_status();
  return invalid_argument(std::string(name) + " is " + std::to_string(weight) + ", which is not finite");
}

Status check_term(std::string_view name, const ScanQuery::DistanceTerm& term) {
  CAIRN_RETURN_IF_ERROR(check_weight(std::string(name) + ".weight", term.weight));
  // The largest distance times the largest factor stays far from the largest float.
  if (term.per_km >= 0.0F && term.per_km <= kScanPerKmMax) return ok_status();
  return invalid_argument(std::string(name) + ".per_km is " + std::to_string(term.per_km) + "; 0 to 1e30 are possible");
}

Status check_terms(const ScanQuery& query) {
  CAIRN_RETURN_IF_ERROR(check_weight("logs_weight", query.logs_weight));
  CAIRN_RETURN_IF_ERROR(check_weight("vector_weight", query.vector_weight));
  for (const ScanQuery::DistanceTerm& term : query.log_distance) {
    CAIRN_RETURN_IF_ERROR(check_term("log_distance", term));
  }
  return check_term("exp_distance", query.exp_distance);
}

Status check_vector(std::span<const float> vector, std::size_t dim) {
  if (vector.empty()) return ok_status();
  if (vector.size() != dim) {
    return invalid_argument("its vector has " + number(vector.size()) + " dimensions, those of the table " +
                            number(dim));
  }
  return all_finite(vector) ? ok_status() : invalid_argument("its vector holds a value that is not finite");
}

Status check_added(const ScanQuery& query, std::size_t rows) {
  if (query.added.size() != query.added_rows.size()) {
    return invalid_argument(number(query.added.size()) + " values are added to " + number(query.added_rows.size()) +
                            " rows");
  }
  // Twice in the list is refused, as it could mean the sum or the last.
  for (std::size_t i = 0; i < query.added_rows.size(); ++i) {
    if (query.added_rows[i] >= rows) {
      return invalid_argument("row " + number(query.added_rows[i]) + ", which is added to, is not one of " +
                              number(rows) + " rows");
    }
    if (i > 0 && query.added_rows[i] <= query.added_rows[i - 1]) {
      return invalid_argument("rows that are added to have to be in ascending order, each once");
    }
  }
  return ok_status();
}

Status check_filters(const ScanQuery& query, std::size_t rows) {
  if (query.ranges) CAIRN_RETURN_IF_ERROR(check_ranges(*query.ranges, rows));
  if (query.allowed) CAIRN_RETURN_IF_ERROR(check_allowed(*query.allowed, rows));
  CAIRN_RETURN_IF_ERROR(check_excluded(query.excluded));
  // Written so that NaN fails.
  if (!(query.radius_km >= 0.0F) || !(query.rim_km >= 0.0F)) {
    return invalid_argument("radius_km is " + std::to_string(query.radius_km) + " and rim_km " +
                            std::to_string(query.rim_km) + "; both have to be 0 or more");
  }
  if (!(query.slack >= 0.0F)) {
    return invalid_argument("slack is " + std::to_string(query.slack) + ", not 0 or more");
  }
  return ok_status();
}

}  // namespace

Status check_scan_rows(const ScanRows& rows) {
  const std::size_t count = rows.x.size();
  // Rows are numbered in 32 bits, and the last number stands for no row.
  if (count >= kNoRow) return invalid_argument(number(count) + " rows are more than 32 bits can number");
  if (rows.y.size() != count || rows.z.size() != count || rows.tags.size() != count) {
    return invalid_argument(number(count) + " x, " + number(rows.y.size()) + " y, " + number(rows.z.size()) +
                            " z and " + number(rows.tags.size()) + " tags are not one of each a row");
  }
  if (rows.vectors.empty() != (rows.dim == 0 || count == 0) || rows.dim > kDimMax ||
      rows.vectors.size() != count * rows.dim) {
    return invalid_argument(number(rows.vectors.size()) + " values are not " + number(count) + " vectors of " +
                            number(rows.dim) + " dimensions; 0 to " + number(kDimMax) + " dimensions are possible");
  }
  const auto large = std::find_if(rows.tags.begin(), rows.tags.end(), [&](auto tag) { return tag >= rows.tag_count; });
  if (large != rows.tags.end()) {
    return invalid_argument("row " + number(static_cast<std::size_t>(large - rows.tags.begin())) + " has tag " +
                            number(*large) + " of " + number(rows.tag_count));
  }
  if (!all_finite(rows.vectors)) return invalid_argument("a vector holds a value that is not finite");
  return ok_status();
}

Status check_scan_query(const ScanQuery& query, const ScanShape& shape) {
  CAIRN_RETURN_IF_ERROR(check_table("tag_table", query.tag_table, shape.tag_count, false));
  CAIRN_RETURN_IF_ERROR(check_table("logs_table", query.logs_table, shape.tag_count, query.logs != nullptr));
  CAIRN_RETURN_IF_ERROR(check_terms(query));
  CAIRN_RETURN_IF_ERROR(check_vector(query.vector, shape.dim));
  CAIRN_RETURN_IF_ERROR(check_added(query, shape.rows));
  return check_filters(query, shape.rows);
}

}  // namespace cairn::gpu
