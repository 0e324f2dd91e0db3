#include "gpu/cpu/prepared_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "gpu/finite.h"
#include "gpu/norm.h"
#include "gpu/quantize.h"

namespace cairn::gpu {
namespace {

const float* values_of(const ScanColumn* column) {
  return column == nullptr ? nullptr : static_cast<const CpuScanColumn*>(column)->values();
}

void prepare_vector(const CpuScanTable& table, const ScanQuery& query, PreparedQuery* out) {
  out->call.dot_weight = query.vector_weight;
  out->vector_norm = norm_of(query.vector);
  const CodeTiles* tiles = table.codes();
  if (!out->terms.has_vector || tiles == nullptr) return;
  std::vector<std::int8_t> codes(query.vector.size());
  const GroupCode code = quantize_group(query.vector, {}, kInt8CodeMax, codes);
  out->call.dot_weight = query.vector_weight * code.scale;
  out->vector_norm = norm_of(codes);
  out->codes.resize(tiles->quads());
  tiles->arrange(codes, out->codes);
  for (const std::int8_t one : codes) out->excess += tiles->excess() * one;
}

/// Whether logs[r] + logs_table[t] is a positive normal number for every row and tag: the least and the largest sums
/// are, and rounding keeps the order of sums.
bool all_have_ln(const ScanQuery& query) {
  const auto& logs = static_cast<const CpuScanColumn&>(*query.logs);
  if (query.logs_table.empty() || !logs.all_finite() || !all_finite(query.logs_table)) return false;
  const auto [least, largest] = std::minmax_element(query.logs_table.begin(), query.logs_table.end());
  return logs.least() + *least >= std::numeric_limits<float>::min() &&
         logs.largest() + *largest <= std::numeric_limits<float>::max();
}

}  // namespace

PreparedQuery prepare_query(const CpuScanTable& table, const ScanQuery& query) {
  PreparedQuery out{.query = &query, .terms = terms_of(query)};
  const ScanTerms& terms = out.terms;
  ScoreCall& call = out.call;
  call.query_x = query.position.x;
  call.query_y = query.position.y;
  call.query_z = query.position.z;
  out.prior = values_of(query.prior);
  if (terms.has_logs) out.logs = values_of(query.logs);
  call.tag_table = query.tag_table.data();
  call.logs_table = query.logs_table.data();
  call.logs_weight = query.logs_weight;
  if (terms.has_logs && !query.tag_table.empty()) {
    out.pairs.resize(2 * query.tag_table.size());
    for (std::size_t tag = 0; tag < query.tag_table.size(); ++tag) {
      out.pairs[2 * tag] = query.tag_table[tag];
      out.pairs[2 * tag + 1] = query.logs_table[tag];
    }
    call.pairs = out.pairs.data();  // stays where it is when `out` is moved
  }
  std::copy_n(terms.log_weight, 2, call.log_weight);
  std::copy_n(terms.log_per_unit, 2, call.log_per_unit);
  call.exp_weight = terms.exp_weight;
  call.exp_per_unit = terms.exp_per_unit;
  call.exp_units_max = terms.exp_units_max;
  call.radius = terms.radius;
  call.rim_end = terms.rim_end;
  prepare_vector(table, query, &out);

  out.bans = std::find(query.tag_table.begin(), query.tag_table.end(), -std::numeric_limits<float>::infinity()) !=
             query.tag_table.end();
  const std::size_t tables = query.tag_table.empty() ? 0 : out.bans ? 2 : 1;
  const ScanKernels& kernels = *table.resources().kernels;
  const std::size_t logs = !terms.has_logs ? 0 : all_have_ln(query) ? 1 : 2;
  out.first = kernels.first[terms.needs_distance ? 1 : 0][tables][logs];
  if (terms.log_terms > 0 || terms.has_exp || terms.has_vector) {
    out.second = kernels.second[terms.log_terms][terms.has_exp ? 1 : 0][terms.has_vector ? 1 : 0];
  }
  return out;
}

}  // namespace cairn::gpu
