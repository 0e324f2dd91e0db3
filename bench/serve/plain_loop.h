#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::bench {

/// Rows as a plain loop reads them: positions on the unit sphere.
struct PlainRows {
  std::size_t count;
  const float* x;
  const float* y;
  const float* z;
  const std::uint32_t* tags;
  const float* prior;
};

struct PlainQuery {
  float x;
  float y;
  float z;
  const float* table;
  float log_weight[2];
  float log_per_km[2];
  float exp_weight;
  float exp_per_km;
};

/// Scores all rows as someone writes it down who leaves the rest to the compiler: the chord for the distance, two
/// logarithms and an exponential of it, prior and table. It keeps all scores and selects nothing: less than a scan
/// does.
void plain_scores(const PlainRows& rows, const PlainQuery& query, float* scores);

}  // namespace cairn::bench
