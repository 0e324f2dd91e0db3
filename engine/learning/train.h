#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/learning/interactions.h"
#include "engine/model/model.h"
#include "gpu/item_matrix.h"
#include "gpu/progress.h"

namespace cairn::learning {

/// A way of training.
struct TrainingKind {
  std::string_view name;
  std::string_view what;  ///< a line for people
};

/// All kinds, quickest to train first.
[[nodiscard]] std::span<const TrainingKind> training_kinds() noexcept;

struct TrainOptions {
  std::map<std::string, std::string> parameters = {};  ///< by name; what is absent has the kind's default
  std::uint64_t seed = 1;
  std::size_t threads = 0;                           ///< 0: every processor
  gpu::Precision precision = gpu::Precision::kFp32;  ///< in which the model keeps vectors; weights: fp32 or fp16
  const model::Model* teacher = nullptr;  ///< for "ials": also learn from what this one ranks first; borrowed
  /// For "ials" and "best": a folder of its own, in which every epoch of iALS is kept. With `resume`, what is there is
  /// gone on from, if it is of the same interactions and parameters. Empty: nothing is kept.
  std::string checkpoint = {};
  bool resume = false;
  gpu::Progress progress = {};
  std::function<void(const std::string&)> remark = {};  ///< told what a person should know
};

/// Trains a model. The same interactions, options and processor give the same model.
/// Returns: NOT_FOUND for an unknown kind, listing those there are; INVALID_ARGUMENT for parameters that the kind does
/// not have, values that make no sense, and no interactions at all; RESOURCE_EXHAUSTED when memory would not do;
/// FAILED_PRECONDITION when the numbers cannot be solved for; CANCELLED.
[[nodiscard]] Result<model::Model> train(std::string_view kind, const Interactions& interactions,
                                         const TrainOptions& options);

}  // namespace cairn::learning
