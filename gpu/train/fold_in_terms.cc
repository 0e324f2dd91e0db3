#include "gpu/train/fold_in_terms.h"

#include <cmath>

namespace cairn::gpu {

float penalty(const FoldInOptions& objective, std::size_t items, std::size_t interactions) noexcept {
  const double size =
      static_cast<double>(interactions) + static_cast<double>(objective.unobserved_weight) * static_cast<double>(items);
  return static_cast<float>(static_cast<double>(objective.regularization) *
                            std::pow(size, static_cast<double>(objective.frequency_exponent)));
}

float target(const FoldInOptions& objective, float weight) noexcept {
  return objective.target == FoldInOptions::Target::kOne ? 1.0F : 1.0F + objective.unobserved_weight / weight;
}

}  // namespace cairn::gpu
