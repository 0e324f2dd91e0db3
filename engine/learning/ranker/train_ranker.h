#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/learning/objective.h"
#include "engine/learning/ranker/fit_network.h"
#include "engine/learning/ranker/question_log.h"
#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/ranker_model.h"

namespace cairn::learning {

/// A stream that a ranker learns from.
struct Stream {
  std::span<const Place> places = {};
  std::span<const Interaction> interactions = {};  ///< in time order
  InteractionTypes types = {};                     ///< of the interactions; the same for all streams
};

struct RankerTrainOptions {
  Objective objective = Objective::kNext;
  /// The model of items whose score is the ranking feature `model`: a kind of training_kinds(), or "none". Empty:
  /// "ease" for Objective::kNew, "none" for kNext, where a user's own places count most.
  std::string item_model = {};
  std::map<std::string, std::string> item_parameters = {};  ///< of that kind
  /// Of each stream, this first share trains the model of items that takes part, and questions are asked about what
  /// comes after it alone.
  float item_model_share = 0.6F;
  /// Of each stream, interactions in this first share only warm up: little is known then, and questions would teach
  /// that.
  float warm_up = 0.1F;
  /// Of each stream, questions about this last share are not learned from: they say when to stop, and what was gained.
  float measured = 0.1F;
  std::size_t questions_max = 150'000;  ///< that are learned from; of more, so many are drawn
  bool fit_linear = true;               ///< false: the linear stage stays that of `start`
  NetworkFitOptions network = {};       ///< its epochs 0: no network
  std::uint64_t seed = 1;
  std::size_t threads = 0;                              ///< 0: every processor
  std::function<bool(double fraction)> progress = {};   ///< false: give up
  std::function<void(const std::string&)> remark = {};  ///< told what a person should know
};

struct TrainedRanker {
  ranking::RankerModel ranker = {};
  std::size_t questions = 0;        ///< learned from
  std::size_t measured = 0;         ///< measured with
  double linear_loss_before = 0.0;  ///< on the measured questions
  double linear_loss_after = 0.0;
  NetworkFit network = {};  ///< its network has moved to `ranker`
  /// Trained on all that the streams have, to be served beside the ranker; absent: no model of items took part.
  std::optional<model::Model> items = {};
};

/// Trains a ranker from streams, by what users did next in them: the weights of the linear stage and its habit kernel
/// first, then a network that corrects it. Each stream is replayed through an engine of its own, once for each of the
/// two. The same streams, options and kernels give the same ranker.
///
/// A model of items that takes part is served in those engines. Each stream has one of its own there, of its first
/// share: to a model that has seen the answers they would look better foreseen than they will be, and its score would
/// weigh too much. What is served later is trained on everything; its scores have the same unit (item_model.h).
/// Returns: INVALID_ARGUMENT when no question could be asked, saying why; CANCELLED; what the engine and
/// train_item_model() return.
[[nodiscard]] Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const ranking::RankerModel& start,
                                                 const RankerTrainOptions& options);

/// The same, beginning with the ranker that ships.
[[nodiscard]] Result<TrainedRanker> train_ranker(std::span<const Stream> streams, const RankerTrainOptions& options);

/// A ranker and the model of items that it was trained with, as they are served.
struct RankerWithItems {
  ranking::RankerModel ranker = {};
  std::shared_ptr<const model::ServedModel> items = {};  ///< null: it was trained with none
};
/// What a ranker's directory holds, for who measures it. Returns: what ranking::read_ranker() and
/// model::ServedModel::load() return.
[[nodiscard]] Result<RankerWithItems> load_ranker(const std::string& directory);
/// The same of one that has just been trained. Returns: what model::ServedModel::create() returns.
[[nodiscard]] Result<RankerWithItems> serve_ranker(TrainedRanker trained);
/// The model of items becomes a directory in this one. Returns: what ranking::write_ranker() and model::save_model()
/// return.
[[nodiscard]] Status save_ranker(const std::string& directory, const TrainedRanker& trained);
/// Where save_ranker() puts the model of items.
[[nodiscard]] std::string items_directory(const std::string& directory);

}  // namespace cairn::learning
