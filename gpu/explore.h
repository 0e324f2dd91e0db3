#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/posterior.h"

namespace cairn::gpu {

/// How much the uncertainty about a query changes its answers.
struct ExploreOptions {
  enum class Method : std::uint8_t {
    kNone,        ///< scores stay what they are
    kUpperBound,  ///< score + strength · sqrt(xᵀ A⁻¹ x): LinUCB (Li, Chu, Langford and Schapire, WWW 2010)
    kThompson,    ///< score + strength · x · deviation(seed): as if the query vector had been drawn, not averaged
  };

  Method method = Method::kNone;
  float strength = 1.0F;  ///< not negative
  /// Seed of the draw. The same seed gives the same draw, so each answer needs a new one.
  std::uint64_t seed = 0;
};

/// Changes the scores of candidates whose item vectors are the rows of `candidates` (scores.size() × dim). Whatever a
/// score holds besides the product with the query vector, such as a bias, stays in it.
/// Returns: INVALID_ARGUMENT for shapes that do not fit, and a strength that is negative or not finite.
[[nodiscard]] Status explore(const Posterior& posterior, MatrixView candidates, const ExploreOptions& options,
                             std::span<float> scores);

}  // namespace cairn::gpu
