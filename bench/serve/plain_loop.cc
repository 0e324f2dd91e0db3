#include "bench/serve/plain_loop.h"

#include <cmath>

namespace cairn::bench {

void plain_scores(const PlainRows& rows, const PlainQuery& query, float* __restrict scores) {
  constexpr float kRadiusKm = 6371.0088F;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const float x = rows.x[i] - query.x;
    const float y = rows.y[i] - query.y;
    const float z = rows.z[i] - query.z;
    const float km = kRadiusKm * std::sqrt(x * x + y * y + z * z);
    scores[i] = rows.prior[i] + query.table[rows.tags[i]] +
                query.log_weight[0] * std::log(1.0F + query.log_per_km[0] * km) +
                query.log_weight[1] * std::log(1.0F + query.log_per_km[1] * km) +
                query.exp_weight * std::exp(-query.exp_per_km * km);
  }
}

}  // namespace cairn::bench
