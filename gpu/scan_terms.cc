#include "gpu/scan_terms.h"

#include <cmath>
#include <numbers>

#include "gpu/scan_numbers.h"

namespace cairn::gpu {

ScanTerms terms_of(const ScanQuery& query) noexcept {
  ScanTerms terms;
  terms.has_logs = query.logs != nullptr && query.logs_weight != 0.0F;
  for (const ScanQuery::DistanceTerm& term : query.log_distance) {
    if (term.weight == 0.0F) continue;
    terms.log_weight[terms.log_terms] = term.weight;
    terms.log_per_unit[terms.log_terms++] = term.per_km * kScanUnitKm;
  }
  terms.has_exp = query.exp_distance.weight != 0.0F;
  terms.exp_weight = query.exp_distance.weight;
  terms.exp_per_unit = query.exp_distance.per_km * -std::numbers::log2e_v<float> * kScanUnitKm;
  terms.exp_units_max = kExpLeast / terms.exp_per_unit;  // infinite for 0
  terms.has_radius = std::isfinite(query.radius_km);
  terms.radius = query.radius_km / kScanUnitKm;
  terms.rim_end = query.rim_km / kScanUnitKm;
  terms.needs_distance = terms.log_terms > 0 || terms.has_exp || terms.has_radius;
  terms.has_vector = !query.vector.empty() && query.vector_weight != 0.0F;
  return terms;
}

}  // namespace cairn::gpu
