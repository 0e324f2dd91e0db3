#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "cairn/interaction.h"
#include "cairn/status.h"
#include "engine/model/model.h"
#include "gpu/progress.h"

namespace cairn::learning {

struct ItemModelOptions {
  std::string kind = "ease";                           ///< of training_kinds()
  std::map<std::string, std::string> parameters = {};  ///< of that kind
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: every processor
  gpu::Progress progress = {};
  std::function<void(const std::string&)> remark = {};  ///< told what a person should know
  InteractionTypes types = {};                          ///< of the streams' interactions
};

/// Trains the model of items whose score a ranker weighs, from the visits of all `streams` together; equal ids mean the
/// same user and the same place. Of visits alone, since visits are what the model is asked with (kUserHistory), and
/// what is to be foreseen.
///
/// What scores mean differs by kind, and grows with what there was to learn from: EASE's weights with how often two
/// places were visited by the same users. A weight that was fitted to the scores of one model would be wrong for those
/// of another, even of one that is trained a month later. So scores come in a unit of the model's own: the score of the
/// 20th best of the places that a user has not been to, on the mean over users, is 1. The popularity that somebody
/// unknown is answered by is brought to this unit too: to what users' scores are expected to be by it.
///
/// The same streams, options and processor give the same model.
/// Returns: what train() returns, saying what else there is to do.
[[nodiscard]] Result<model::Model> train_item_model(std::span<const std::span<const Interaction>> streams,
                                                    const ItemModelOptions& options);

}  // namespace cairn::learning
