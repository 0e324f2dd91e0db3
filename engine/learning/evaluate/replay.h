#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"
#include "engine/learning/objective.h"
#include "engine/model/served_model.h"
#include "engine/ranking/ranker_model.h"

namespace cairn::learning {

/// Between which bounds a mean lies: the 2.5th and the 97.5th percentile of 1,000 samples that are drawn of the users,
/// with all questions of each (the bootstrap of Efron, 1979, by clusters: a user's questions are alike).
struct Interval {
  double low = 0.0;
  double high = 0.0;
};

/// How well one method foresaw what came next. Ranks are expected ranks: among equals the truth stands in the
/// middle, so that ties flatter nobody.
struct NextPlaceMetrics {
  std::string method;  ///< "cairn", "linear", "item_model", "popular_nearby", "nearest", "own_history"
  double acc_at_1 = 0.0;
  double acc_at_5 = 0.0;
  double acc_at_10 = 0.0;
  double recall_at_20 = 0.0;
  double mrr = 0.0;  ///< mean reciprocal rank
  Interval acc_at_1_interval = {};
  Interval mrr_interval = {};
};

/// One question and how high the truth stood for it.
struct ReplayAnswer {
  const Interaction& truth;
  double expected_rank = 0.0;  ///< from 1; among equal scores the truth stands in the middle
  float score = 0.0F;          ///< of the truth
};

struct ReplayOptions {
  double ask_from_fraction = 0.8;          ///< share of the interactions that only warm up
  std::optional<EventTime> ask_from_time;  ///< instead: interactions before this only warm up
  std::size_t ask_every = 1;               ///< ask one in so many
  Objective objective = Objective::kNext;
  RankingOptions ranking;
  std::optional<ranking::RankerModel> ranker;           ///< absent: the one that `ranking` names
  std::shared_ptr<const model::ServedModel> items;      ///< the model in force; null: none
  std::function<Status(const ReplayAnswer&)> answered;  ///< told of each question; its first failure ends the replay
  std::function<void(std::size_t done, std::size_t total)> progress;  ///< called now and then, with interactions
};

/// Reads where the warm-up ends: a share of the interactions ("0.8") or an RFC 3339 time.
/// Returns: INVALID_ARGUMENT saying what was expected.
[[nodiscard]] Status set_ask_from(const std::string& text, ReplayOptions* options);

/// The first of the interactions that may be asked for.
[[nodiscard]] std::size_t first_asked(const datasets::Dataset& dataset, const ReplayOptions& options);

struct ReplayReport {
  std::string dataset;
  std::size_t interactions = 0;
  std::size_t warm_up = 0;
  std::size_t questions = 0;
  std::size_t places = 0;
  double seconds = 0.0;
  std::vector<NextPlaceMetrics> metrics;  ///< "cairn" first, "linear" where its ranker has a network, "item_model"
                                          ///< where one takes part, then the baselines
};

/// Replays the interactions in time order through the engine's own feature state and ranking. From `ask_from` on, each
/// is asked for before it is applied: which of all places will this user go to? The question knows the user, the time,
/// and place and time of the user's previous interaction; users without one are not asked about. What was asked is
/// then learned like everything else.
///
/// With Objective::kNew only a user's first visits to places are asked for, and places that the user has been to are no
/// candidates. (A place behind the 512 newest visits of the user's row is one again, as it is for an engine.)
///
/// Baselines: popular_nearby (visits so far, among places within 2 km of the previous one), nearest (to the previous
/// one), own_history (the user's visits so far; not with kNew). item_model is the model in force by itself.
/// Returns: INVALID_ARGUMENT when nothing is left to ask; what `answered` returned.
[[nodiscard]] Result<ReplayReport> replay(const datasets::Dataset& dataset, const ReplayOptions& options);

}  // namespace cairn::learning
