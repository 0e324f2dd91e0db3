#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "engine/cache/shared_tier.h"
#include "engine/ranking/recommender.h"
#include "engine/state/feature_state.h"
#include "sql/invalidations.h"
#include "sql/kept_answers.h"

namespace cairn {

/// What kept answers have to do with PostgreSQL: the table that daemons share them in, if the options want it, and the
/// invalidations that anybody may write down there, which each daemon hears of.
///
/// Threads: any, once it is open.
class SharedSide final : public cache::SharedTier {
 public:
  /// Connects to nothing yet. All references must outlive it.
  /// Returns: INVALID_ARGUMENT for options that make no sense.
  [[nodiscard]] static Result<std::unique_ptr<SharedSide>> open(const EngineOptions& options,
                                                                const state::FeatureState& state,
                                                                ranking::Recommender& recommender);
  ~SharedSide() override { stop(); }

  /// Whether answers are shared; else it hears of invalidations alone.
  [[nodiscard]] bool shares() const noexcept { return answers_ != nullptr; }

  /// From here on `invalidate` is told of what is written down, and, once it can be heard, of everything: nobody knows
  /// what was said before.
  void start(std::function<void(const AnswerTags&)> invalidate);
  /// Tells all daemons. Returns: see sql::Invalidations::add.
  Status invalidate(const AnswerTags& tags) { return invalidations_->add(tags); }
  /// Ends what is done in the background. Idempotent.
  void stop();

  /// Notes how far the sources have come, and now and then removes what has expired. A chore.
  void run();
  void describe(AnswerCacheStatus* status) const CAIRN_EXCLUDES(mutex_);

  // cache::SharedTier. Those that ask for answers need shares().
  [[nodiscard]] std::optional<Basis> basis_of(const RecommendRequest& request) const override;
  [[nodiscard]] std::int64_t invalidations() const override { return serial_.load(std::memory_order_acquire); }
  [[nodiscard]] bool as_new(const Freshness& freshness, SteadyTime made) const override CAIRN_EXCLUDES(mutex_);
  void take_over(Recommendations* answer) const override;
  [[nodiscard]] Result<std::optional<Found>> find(Key key, const UserId& user,
                                                  std::chrono::milliseconds within) override;
  Status write(std::span<const Row> rows) override;
  /// Until the listener has been let in, and has found the schema there, it is the one to tell of what is wrong.
  Status keep_open() override;

 private:
  SharedSide(const EngineOptions& options, const state::FeatureState& state, ranking::Recommender& recommender);

  [[nodiscard]] bool of_a_topic(const Watermark& mark) const;
  /// Why answers of this daemon are given by no other; empty: they may be.
  [[nodiscard]] std::string alone() const;
  [[nodiscard]] std::string sources(std::span<const Watermark> reached) const;
  void hear_until(const std::stop_token& stop) CAIRN_EXCLUDES(mutex_);
  void note_trouble(std::string trouble) CAIRN_EXCLUDES(mutex_);

  struct Mark {
    std::chrono::steady_clock::time_point at;
    std::vector<Watermark> marks;
  };

  // Fixed after construction.
  const EngineOptions& options_;
  const state::FeatureState& state_;
  ranking::Recommender& recommender_;
  std::unique_ptr<sql::Invalidations> invalidations_;
  std::unique_ptr<sql::KeptAnswers> answers_;  ///< null: none are shared
  std::function<void(const AnswerTags&)> invalidate_;

  std::atomic<std::int64_t> serial_{-1};
  std::atomic<std::uint64_t> heard_{0};
  std::atomic<std::uint64_t> expired_{0};
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> grown_{false};                   ///< by this process, since the table was last measured
  std::chrono::steady_clock::time_point cleaned_{};  ///< of the chore

  mutable Mutex mutex_;
  std::deque<Mark> marks_ CAIRN_GUARDED_BY(mutex_);  ///< the oldest first
  std::string trouble_ CAIRN_GUARDED_BY(mutex_);
  std::jthread listener_;
};

}  // namespace cairn
