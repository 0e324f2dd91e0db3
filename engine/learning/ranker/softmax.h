#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace cairn::learning {

/// Turns the logits of a question's candidates into probabilities.
/// Returns: the negative logarithm of that of the truth.
inline double to_probabilities(std::size_t truth, std::vector<double>* logits) {
  const double largest = *std::max_element(logits->begin(), logits->end());
  const double of_truth = (*logits)[truth];
  double sum = 0.0;
  for (double& logit : *logits) sum += logit = std::exp(logit - largest);
  for (double& logit : *logits) logit /= sum;
  return std::log(sum) + largest - of_truth;
}

}  // namespace cairn::learning
