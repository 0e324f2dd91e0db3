#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "cairn/answer_cache.h"
#include "cairn/call_context.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "engine/cache/shared_tier.h"

namespace cairn::cache {

/// What of answers goes to a shared tier and comes from there: under which key, in which bytes, and how many at most.
///
/// Whoever asks waits for the tier no longer than the options say, and not at all while it fails. Whoever offers waits
/// for nothing: a thread of its own writes what was offered, in batches. What is offered beyond the budget of writes,
/// or while too much waits, is dropped and counted.
///
/// Threads: any.
class SharedAnswers {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  /// Where an answer to a request stands, as long as nothing happens to what it is made from.
  struct Address {
    SharedTier::Key key;
    std::string full;                 ///< what the key is a hash of
    std::optional<std::string> user;  ///< whose answer it is; absent: nobody's who is known
    std::int64_t invalidations = 0;   ///< that were known before
    std::vector<Watermark> reached;   ///< before it was looked up what is known of the user
  };
  struct Kept {
    Recommendations answer;
    TimePoint made;
    TimePoint expires;
    Duration lifetime{};
    Duration cost{};
  };
  struct Offer {
    RecommendRequest request;
    Address address;
    Kept kept;
    AnswerTags tags;
    std::size_t bytes = 0;          ///< about
    std::function<bool()> current;  ///< nothing has happened to it
  };

  /// `tier` must outlive it.
  SharedAnswers(SharedTier& tier, const AnswerCacheOptions& options,
                std::function<std::chrono::steady_clock::time_point()> now, Logger log);
  ~SharedAnswers() { stop(); }
  SharedAnswers(const SharedAnswers&) = delete;
  SharedAnswers& operator=(const SharedAnswers&) = delete;

  /// Returns: nullopt for a request whose answer is not shared.
  [[nodiscard]] std::optional<Address> address_of(const RecommendRequest& request) const;

  /// An answer that was made from the same. Waits for the tier no longer than the options and the call allow.
  /// Returns: nullopt when there is none, or when nobody could look in time.
  [[nodiscard]] std::optional<Kept> find(const CallContext& call, const Address& address, const UserId& user)
      CAIRN_EXCLUDES(trouble_mutex_);

  void offer(Offer offered) CAIRN_EXCLUDES(queue_mutex_);

  /// What was offered before, and found to be current, is written when this returns, or never.
  void wait_for_writer() CAIRN_EXCLUDES(write_mutex_) { const MutexLock lock(write_mutex_); }

  void describe(AnswerCacheStatus* status) const CAIRN_EXCLUDES(trouble_mutex_);
  /// Ends what is done in the background. Idempotent.
  void stop() CAIRN_EXCLUDES(queue_mutex_);

 private:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kQueueBytesMax = 16u << 20;

  [[nodiscard]] bool within_budget() CAIRN_REQUIRES(queue_mutex_);
  void write_until(const std::stop_token& stop) CAIRN_EXCLUDES(queue_mutex_, write_mutex_);
  [[nodiscard]] std::deque<Offer> next_batch(const std::stop_token& stop) CAIRN_EXCLUDES(queue_mutex_);
  void write(const std::deque<Offer>& batch) CAIRN_EXCLUDES(write_mutex_, trouble_mutex_);
  [[nodiscard]] bool still_right(const Offer& offer) const;
  /// Notes how something ended. The log has a line when failures begin, and one when there have been none for a while.
  void tell_of(const Status& status) CAIRN_EXCLUDES(trouble_mutex_);
  /// Failures are over, and nobody has told of it.
  [[nodiscard]] bool long_well() const CAIRN_EXCLUDES(trouble_mutex_);

  // Fixed after construction.
  SharedTier& tier_;
  const AnswerCacheOptions options_;
  const std::function<TimePoint()> now_;
  const Logger log_;

  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> passed_{0};
  std::atomic<std::uint64_t> writes_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> waited_us_{0};

  Mutex write_mutex_;                  ///< held from the look whether offers are current until they are written
  std::atomic<bool> troubled_{false};  ///< how things end is to be noted
  mutable Mutex trouble_mutex_;
  std::string trouble_ CAIRN_GUARDED_BY(trouble_mutex_);         ///< why the last look or write failed; empty: not
  std::uint64_t failures_ CAIRN_GUARDED_BY(trouble_mutex_) = 0;  ///< since all was well
  TimePoint failed_ CAIRN_GUARDED_BY(trouble_mutex_);            ///< for the last time

  Mutex queue_mutex_;
  std::condition_variable_any offered_;
  std::deque<Offer> queue_ CAIRN_GUARDED_BY(queue_mutex_);
  std::size_t queue_bytes_ CAIRN_GUARDED_BY(queue_mutex_) = 0;
  double tokens_ CAIRN_GUARDED_BY(queue_mutex_) = 0.0;
  TimePoint filled_ CAIRN_GUARDED_BY(queue_mutex_);
  std::jthread writer_;
};

}  // namespace cairn::cache
