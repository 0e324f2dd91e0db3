#include "gpu/explore.h"

#include <cmath>
#include <string>
#include <vector>

namespace cairn::gpu {
namespace {

Status add_widths(const Posterior& posterior, MatrixView candidates, float strength, std::span<float> scores) {
  std::vector<float> variances(scores.size());
  CAIRN_RETURN_IF_ERROR(posterior.variances(candidates, variances));
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] += strength * std::sqrt(variances[i]);
  return ok_status();
}

void add_draw(const Posterior& posterior, MatrixView candidates, const ExploreOptions& options,
              std::span<float> scores) {
  // One draw for all candidates: they are scored by the same drawn query vector.
  const std::vector<float> deviation = posterior.deviation(options.seed);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::span<const float> candidate = candidates.row(i);
    float sum = 0.0F;
    for (std::size_t j = 0; j < candidate.size(); ++j) sum += candidate[j] * deviation[j];
    scores[i] += options.strength * sum;
  }
}

}  // namespace

Status explore(const Posterior& posterior, MatrixView candidates, const ExploreOptions& options,
               std::span<float> scores) {
  if (candidates.rows != scores.size() || candidates.dim != posterior.dim() ||
      candidates.values.size() != candidates.rows * candidates.dim) {
    return invalid_argument("candidates have to be " + std::to_string(scores.size()) + " x " +
                            std::to_string(posterior.dim()) + " values");
  }
  if (!std::isfinite(options.strength) || options.strength < 0.0F) {
    return invalid_argument("the strength of exploration has to be finite, 0 or more");
  }
  switch (options.method) {
    case ExploreOptions::Method::kNone:
      return ok_status();
    case ExploreOptions::Method::kUpperBound:
      return add_widths(posterior, candidates, options.strength, scores);
    case ExploreOptions::Method::kThompson:
      add_draw(posterior, candidates, options, scores);
      return ok_status();
  }
  return invalid_argument("there is no such method of exploration");
}

}  // namespace cairn::gpu
