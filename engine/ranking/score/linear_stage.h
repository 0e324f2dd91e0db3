#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/score/facts.h"

namespace cairn::ranking {

/// Scores places: the weighted sum of their ranking features. Every candidate goes through it;
/// later stages could read the same facts. Immutable. Threads: any.
class LinearStage {
 public:
  /// Scores with `weights`, one a ranking feature, but for those that are `named`. Without `defaults` a feature that is
  /// not named weighs nothing.
  /// Returns: INVALID_ARGUMENT naming a feature that is unknown or a weight out of range.
  [[nodiscard]] static Result<LinearStage> create(std::vector<double> weights,
                                                  const std::map<std::string, double>& named, bool defaults = true);

  /// Candidates that are scored between two looks at whether to go on: a fraction of a millisecond's work.
  static constexpr std::size_t kSlice = 4096;

  /// The score of every candidate, in float; `scores` gets the shape of `candidates`, which ascend by row. `features`,
  /// unless it is null, gets their ranking features, a row a candidate. `go_on` is asked before each kSlice of them,
  /// and its first failure ends the work. Returns: that failure; `scores` then holds the candidates scored so far.
  [[nodiscard]] Status score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                             const std::function<Status()>& go_on, std::vector<float>* scores,
                             std::vector<float>* features = nullptr) const;

  /// By ranking feature, in their order.
  [[nodiscard]] std::span<const double> weights() const noexcept { return weights_; }
  /// What they were before some were named: what a ranker's network was trained beside.
  [[nodiscard]] std::span<const double> trained_weights() const noexcept { return trained_; }

 private:
  LinearStage(std::vector<double> weights, std::vector<double> trained)
      : weights_(std::move(weights)), trained_(std::move(trained)) {}
  /// What the question's model gives the candidates; nothing where it gives nothing.
  void ask_model(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                 std::vector<float>* scores) const;

  std::vector<double> weights_;
  std::vector<double> trained_;
};

}  // namespace cairn::ranking
