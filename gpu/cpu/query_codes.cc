#include "gpu/cpu/query_codes.h"

#include <algorithm>
#include <cmath>

#include "gpu/finite.h"

namespace cairn::gpu {
namespace {

/// Scores, and bounds in units of the query's scale, stay far from the largest float below these.
constexpr double kScoreMax = 1e30;
constexpr double kScaleMin = 1e-20;
constexpr double kMarginMax = 1e8;
constexpr double kUnitRoundoff = 1.0 / (1 << 24);

void add_group(std::span<const float> query, std::span<const std::int8_t> codes, double scale, std::int32_t excess,
               QueryCodes* out) {
  double squares = 0.0;
  double error_squares = 0.0;
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < query.size(); ++j) {
    // In units of the scale, as sums of codes are.
    const double value = static_cast<double>(query[j]) / scale;
    const double error = value - codes[j];
    squares += value * value;
    error_squares += error * error;
    sum += codes[j];
  }
  out->norm.push_back(std::sqrt(squares));
  out->error_norm.push_back(std::sqrt(error_squares));
  out->offset.push_back(-excess * sum);
}

/// Whether every margin fits the kernels' integers.
bool margins_fit(const QueryCodes& query, const CodeTiles& codes, std::size_t dim) {
  for (std::size_t g = 0; g < codes.groups(); ++g) {
    if (!(query.margin(g, codes.largest_bound(g), dim) < kMarginMax)) return false;
  }
  return true;
}

}  // namespace

double QueryCodes::margin(std::size_t group, const CodeTiles::GroupBound& rows, std::size_t dim) const noexcept {
  const double code_norm = static_cast<double>(rows.code_norm);
  const double row_error = static_cast<double>(rows.error_norm);
  const double gamma = 1.01 * static_cast<double>(dim + 1) * kUnitRoundoff;
  return error_norm[group] * code_norm + norm[group] * row_error + gamma * norm[group] * (code_norm + row_error);
}

std::optional<QueryCodes> encode_query(std::span<const float> query, const CodeTiles& codes) {
  if (!all_finite(query)) return std::nullopt;
  QueryCodes out;
  std::vector<std::int8_t> values(query.size());
  const GroupCode code = quantize_group(query, {}, kInt8CodeMax, values);
  const double scale = static_cast<double>(code.scale);
  const bool zero = std::all_of(query.begin(), query.end(), [](float value) { return value == 0.0F; });
  double norm = 0.0;
  for (const float value : query) norm += static_cast<double>(value) * static_cast<double>(value);
  const double score_max = std::sqrt(norm) * codes.largest_norm();
  // Cauchy and Schwarz: no score is larger than the product of the norms. The bounds of a query whose scores could come
  // near the largest float, in either unit, are not proven.
  if (!zero && (scale < kScaleMin || !(score_max < kScoreMax) || !(score_max / scale < kScoreMax))) return std::nullopt;
  // Every score of a zero query is the bias alone, and its bounds are the same: they are the scores.
  out.exact = zero;
  out.inverse_scale = zero ? 1.0F : static_cast<float>(1.0 / scale);
  out.rounding = zero ? 0.0F : static_cast<float>(score_max / scale * 16.0 * kUnitRoundoff);
  for (std::size_t g = 0; g < codes.groups(); ++g) {
    const std::size_t begin = codes.group_begin(g);
    const std::size_t count = codes.group_end(g) - begin;
    add_group(query.subspan(begin, count), std::span<const std::int8_t>(values).subspan(begin, count), scale,
              codes.excess(), &out);
  }
  // Margins are added to integer sums in the kernels, which larger ones could overflow.
  if (!margins_fit(out, codes, query.size())) return std::nullopt;
  out.quads.resize(codes.quads());
  codes.arrange(values, out.quads);
  return out;
}

}  // namespace cairn::gpu
