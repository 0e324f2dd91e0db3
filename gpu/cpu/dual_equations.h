#pragma once

#include <span>

#include "gpu/cpu/objective.h"
#include "gpu/cpu/panels.h"

namespace cairn::gpu {

/// The equations of a row that has fewer interactions than there are dimensions, for items along their principal axes,
/// where A = D + XᵀCX with a diagonal D, X the vectors of the terms and C their weights. Then (Woodbury)
///
///     w = D^-½ Yᵀ z   with   (I + Y Yᵀ) z = C^½ t   and   Y = C^½ X D^-½,
///
/// a system of as many unknowns as there are terms, and no worse conditioned than A scaled to a diagonal of ones.
/// Callers that solve many rows keep an object, because it holds working memory.
class DualEquations {
 public:
  /// Writes w into `solution` (padded as Panels are). False, and nothing written, when D is singular as far as float
  /// can tell, or not positive: A has to be factored then.
  [[nodiscard]] bool solve(const Objective& objective, std::span<const Term> terms, float* solution);

  /// Whether this is less work than factoring A, counted in whole tiles.
  [[nodiscard]] static bool pays(std::size_t terms, std::size_t dim) noexcept {
    return padded_to_tiles(terms) < padded_to_tiles(dim);
  }

 private:
  [[nodiscard]] bool scale(const Objective& objective, std::size_t terms);
  void pack(std::span<const Term> terms, std::size_t dim);

  std::vector<float> scales_;      ///< the diagonal of D^-½
  AlignedVector<float> terms_;     ///< Yᵀ: panels of kTile terms, a row a dimension
  AlignedVector<float> unknowns_;  ///< z, padded
  Panels matrix_;                  ///< I + Y Yᵀ
};

}  // namespace cairn::gpu
