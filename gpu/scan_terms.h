#pragma once

#include <cstddef>

#include "gpu/scan.h"

namespace cairn::gpu {

/// What a query says of distance and logarithms, in the units that kernels compute with. Every backend has it from
/// here, because a score's bits depend on how these numbers are rounded.
struct ScanTerms {
  bool has_logs = false;
  std::size_t log_terms = 0;  ///< those of a weight that is not 0, first
  float log_per_unit[2] = {};
  float log_weight[2] = {};
  bool has_exp = false;
  float exp_per_unit = 0.0F;  ///< times -1 / ln 2
  float exp_weight = 0.0F;
  float exp_units_max = 0.0F;  ///< beyond it the exponential does not change any more
  bool has_radius = false;
  float radius = 0.0F;
  float rim_end = 0.0F;
  bool needs_distance = false;
  bool has_vector = false;
};

[[nodiscard]] ScanTerms terms_of(const ScanQuery& query) noexcept;

}  // namespace cairn::gpu
