#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"

namespace cairn::learning {

/// How well one method foresaw what came next. Ranks are expected ranks: among equals the truth stands in the
/// middle, so that ties flatter nobody.
struct NextPlaceMetrics {
  std::string method;  ///< "cairn", "popular_nearby", "nearest", "own_history"
  double acc_at_1 = 0.0;
  double acc_at_5 = 0.0;
  double acc_at_10 = 0.0;
  double recall_at_20 = 0.0;
  double mrr = 0.0;  ///< mean reciprocal rank
};

/// One question and how high the truth stood for it.
struct ReplayAnswer {
  const Interaction& truth;
  double expected_rank = 0.0;  ///< from 1; among equal scores the truth stands in the middle
};

struct ReplayOptions {
  double ask_from_fraction = 0.8;          ///< share of the interactions that only warm up
  std::optional<EventTime> ask_from_time;  ///< instead: interactions before this only warm up
  std::size_t ask_every = 1;               ///< ask one in so many
  RankingOptions ranking;
  std::function<Status(const ReplayAnswer&)> answered;  ///< told of each question; its first failure ends the replay
  std::function<void(std::size_t done, std::size_t total)> progress;  ///< called now and then, with interactions
};

/// Reads where the warm-up ends: a share of the interactions ("0.8") or an RFC 3339 time.
/// Returns: INVALID_ARGUMENT saying what was expected.
[[nodiscard]] Status set_ask_from(const std::string& text, ReplayOptions* options);

struct ReplayReport {
  std::string dataset;
  std::size_t interactions = 0;
  std::size_t warm_up = 0;
  std::size_t questions = 0;
  std::size_t places = 0;
  double seconds = 0.0;
  std::vector<NextPlaceMetrics> metrics;  ///< "cairn" first, then the baselines
};

/// Replays the interactions in time order through the engine's own feature state and ranking. From `ask_from` on, each
/// is asked for before it is applied: which of all places will this user go to? The question knows the user, the time,
/// and place and time of the user's previous interaction; users without one are not asked about. What was asked is
/// then learned like everything else.
///
/// Baselines: popular_nearby (visits so far, among places within 2 km of the previous one), nearest (to the previous
/// one), own_history (the user's visits so far).
/// Returns: INVALID_ARGUMENT when nothing is left to ask; what `answered` returned.
[[nodiscard]] Result<ReplayReport> replay(const datasets::Dataset& dataset, const ReplayOptions& options);

}  // namespace cairn::learning
