#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/linear_stage.h"
#include "engine/ranking/score/second_stage.h"

namespace cairn::ranking {

/// The numbers of ranking, ready to be computed with: all that makes a score of what is known. Immutable. Threads: any.
class Ranker {
 public:
  /// `named` are weights by feature that replace those of the model. The network goes on to correct the model's own
  /// weights, beside which it was trained, and what the named ones differ by comes on top. Without `defaults` there are
  /// no weights but the named ones, and no network: they are the whole score.
  /// Returns: INVALID_ARGUMENT for a weight that no ranking feature has; what SecondStage::create() returns.
  [[nodiscard]] static Result<std::shared_ptr<const Ranker>> create(RankerModel model,
                                                                    const std::map<std::string, double>& named,
                                                                    bool defaults = true);

  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] const HabitCoefficients& habit() const noexcept { return habit_; }
  [[nodiscard]] const WeekCoefficients& week() const noexcept { return week_; }
  [[nodiscard]] const LinearStage& linear() const noexcept { return linear_; }
  /// Null: the linear stage's order is that of answers.
  [[nodiscard]] const SecondStage* second() const noexcept { return second_ ? &*second_ : nullptr; }
  /// Of the network that second() is; 0: there is none.
  [[nodiscard]] std::uint64_t network_digest() const noexcept { return network_digest_; }
  /// What the model in force weighs; 0: it takes no part.
  [[nodiscard]] double model_weight() const noexcept;

 private:
  Ranker(const RankerModel& model, LinearStage linear, std::optional<SecondStage> second);

  std::uint64_t version_;
  std::uint64_t network_digest_ = 0;
  HabitCoefficients habit_;
  WeekCoefficients week_;
  LinearStage linear_;
  std::optional<SecondStage> second_;
};

}  // namespace cairn::ranking
