#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/call_context.h"
#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "cairn/s3_fifo.h"
#include "cairn/status.h"
#include "engine/cache/shared_answers.h"
#include "engine/cache/tag_versions.h"
#include "storage/passing_store.h"

namespace cairn::cache {

/// Answers in memory (tier L1), those that memory has no room for on disk (tier L2), and in a store that other daemons
/// use too (tier L3), for requests that are asked again.
///
/// An answer is given again until it is as old as its time to live, if nothing has happened to what it is about: the
/// user, by an event of theirs; the catalogue, the model or the ranker, by a change of any kind; a place, category or
/// cell, by invalidate(). What others do elsewhere shows when it has grown old. A time to live follows how fast
/// answers change: it doubles when a new answer has the same places, and halves when not.
///
/// Before an answer grows old it is computed anew in the background, the earlier the longer that takes (XFetch: Vattani
/// et al., "Optimal probabilistic cache stampede prevention", VLDB 2015). For a while afterwards it is still given,
/// marked, while it is computed anew. Of many who ask for what is not here, one computes and the others wait.
///
/// Threads: any.
class AnswerCache {
 public:
  using Compute = std::function<Result<Recommendations>(const CallContext&, const RecommendRequest&)>;
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  /// Whether anything is known of a user.
  using Knows = std::function<bool(const UserId&)>;

  /// `compute` makes answers. `generation` says which catalogue, model and ranker it makes them with: another number
  /// with each change. Both may be called at any time until stop().
  /// `disk` is tier L2; null: there is none. Without `knows`, something is known of everybody. `shared` is tier L3 and
  /// must outlive the cache; null: there is none.
  AnswerCache(
      const AnswerCacheOptions& options, Compute compute, std::function<std::uint64_t()> generation,
      std::unique_ptr<storage::PassingStore> disk = nullptr, Now now = [] { return std::chrono::steady_clock::now(); },
      Logger log = {}, Knows knows = {}, SharedTier* shared = nullptr);
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  /// Returns: what computing returned; INVALID_ARGUMENT as on_grid(); DEADLINE_EXCEEDED and CANCELLED while it waits
  /// for another's computation.
  [[nodiscard]] Result<Recommendations> answer(const CallContext& call, const RecommendRequest& request);

  /// As answer(), from memory alone, and when a text is beside the answer or there are few places to write one of;
  /// nullopt, and not counted, when it is not.
  [[nodiscard]] std::optional<Recommendations> kept(const RecommendRequest& request);

  /// Computes an answer before it is asked for, unless there is one that is good for so long. Its time to live is the
  /// longest. Counts neither as hit nor as miss.
  /// Returns: whether it was computed; what computing returned.
  [[nodiscard]] Result<bool> warm(const CallContext& call, const RecommendRequest& request,
                                  std::chrono::steady_clock::duration good_for);

  /// Interactions can be seen now: answers to their users are outdated.
  void happened(std::span<const Interaction> interactions) noexcept;
  /// Whether each of these names something.
  /// Returns: INVALID_ARGUMENT for a cell that is no geohash of 5 letters or more, and for a name that is empty.
  [[nodiscard]] static Status check(const AnswerTags& tags);
  /// Answers about any of these are outdated. A cell may be finer than those that answers are noted by.
  /// Returns: as check(), and then nothing is outdated.
  Status invalidate(const AnswerTags& tags);

  /// Answers to this user are outdated, and no file holds one: the disk keeps no answers by user, so that all go from
  /// there. Returns: what emptying it returned.
  Status forget(const UserId& user) CAIRN_EXCLUDES(disk_mutex_);
  /// See SharedAnswers: nothing that is known to be outdated by now is written to tier L3 after this.
  void wait_for_shared_writes() {
    if (shared_) shared_->wait_for_writer();
  }

  /// Waits for no disk.
  [[nodiscard]] AnswerCacheStatus status() const CAIRN_EXCLUDES(trouble_mutex_);

  /// Ends what is done in the background. Idempotent.
  void stop() CAIRN_EXCLUDES(refresh_mutex_, spill_mutex_);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  /// What an answer is made from, as it was before it was made.
  struct Origin {
    std::uint64_t generation = 0;
    std::uint64_t epoch = 0;
    TagVersions::Seen user;
  };
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  struct Entry {
    Recommendations answer;
    Origin origin;
    std::vector<TagVersions::Seen> tags;  ///< beside the user
    TimePoint made;
    TimePoint expires;
    Duration lifetime{};
    Duration cost{};  ///< of computing it
    std::size_t bytes = 0;
    std::shared_ptr<AnswerMemo> memo;
    bool keeps = false;  ///< it may be given to others
    /// It comes from tier L3: its offsets may be of a log that was written anew since.
    bool shared = false;
    mutable std::atomic<bool> refreshing{false};
    /// Of tags_moved_ when its tags were last found as they had been.
    mutable std::atomic<std::uint64_t> tags_good_at{kNever};
  };
  using EntryPtr = std::shared_ptr<const Entry>;

  /// A computation that others wait for.
  struct Flight {
    explicit Flight(const Origin& begun_with) : origin(begun_with) {}
    const Origin origin;
    Mutex mutex;
    std::condition_variable_any landed;
    bool over CAIRN_GUARDED_BY(mutex) = false;
    EntryPtr entry CAIRN_GUARDED_BY(mutex);  ///< null with a status that is not OK
    Tier tier CAIRN_GUARDED_BY(mutex) = Tier::kNone;
    Status status CAIRN_GUARDED_BY(mutex);
  };
  class Landing;
  /// A part of the answers with a lock of its own, on cache lines of its own.
  struct alignas(64) Shard {
    Shard(std::size_t bytes_max, S3Fifo<EntryPtr>::Evicted evicted) : entries(bytes_max, std::move(evicted)) {}
    mutable SharedMutex mutex;
    S3Fifo<EntryPtr> entries CAIRN_GUARDED_BY(mutex);
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights CAIRN_GUARDED_BY(mutex);
  };
  /// An answer, and the tier that had it; kNone: it was computed.
  struct Landed {
    EntryPtr entry;
    Tier tier = Tier::kNone;
  };
  struct Refresh {
    std::string key;
    RecommendRequest request;
    EntryPtr entry;
  };

  /// An answer on its way to the disk.
  struct Spill {
    std::string key;
    EntryPtr entry;
  };

  /// Places that are written as text in some tenths of a millisecond, reasons and all.
  static constexpr std::size_t kWrittenAtOnceMax = 100;
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kSpillBytesMax = 16u << 20;  ///< that wait; what comes beyond is dropped
  static constexpr std::size_t kRefreshesMax = 1024;        ///< that wait; of more, whoever asks computes

  [[nodiscard]] static std::size_t shard_number(std::string_view key) {
    return std::hash<std::string_view>{}(key) % kShards;
  }
  [[nodiscard]] Shard& shard_of(std::string_view key) { return *shards_[shard_number(key)]; }
  /// `request` is on the grid, or nowhere near it.
  [[nodiscard]] Result<Recommendations> answer_placed(const CallContext& call, const RecommendRequest& request);
  /// The answer to somebody of whom nothing is known is everybody's.
  [[nodiscard]] bool asks_for_all(const RecommendRequest& request) const {
    return !request.cell.empty() && !request.user.str().empty() && !request.min_offset && knows_ &&
           !knows_(request.user);
  }
  [[nodiscard]] std::optional<Recommendations> kept_placed(const RecommendRequest& request);
  /// What is kept is given; it is computed anew in the background when it is time.
  [[nodiscard]] Recommendations give(const std::string& key, const RecommendRequest& request, const EntryPtr& entry,
                                     TimePoint now);
  [[nodiscard]] Origin origin_of(const RecommendRequest& request) const;
  [[nodiscard]] bool current(const Origin& origin) const;
  [[nodiscard]] bool current(const Entry& entry) const;
  [[nodiscard]] EntryPtr find(const std::string& key);
  /// A kept answer, with where it comes from.
  [[nodiscard]] Recommendations given(const Entry& entry, Tier tier, TimePoint now);
  [[nodiscard]] bool will_do(const Entry& entry, const RecommendRequest& request, TimePoint now) const;
  [[nodiscard]] Result<Landed> fly(const CallContext& call, const std::string& key, const RecommendRequest& request);
  /// What the tiers behind memory have, or else a computed answer.
  [[nodiscard]] Result<Landed> seek(const CallContext& call, const std::string& key, const RecommendRequest& request);
  /// `before`: what there was, or null.
  [[nodiscard]] Result<std::shared_ptr<Entry>> make(const CallContext& call, const RecommendRequest& request,
                                                    const EntryPtr& before);
  [[nodiscard]] std::vector<TagVersions::Seen> tags_of(const RecommendRequest& request,
                                                       const Recommendations& answer) const;
  enum class From : std::uint8_t { kComputed, kElsewhere };
  /// Requires: nobody else has the entry yet.
  void keep(const std::string& key, const std::shared_ptr<Entry>& entry, From from = From::kComputed);
  void tell_of_disk(const Status& written) CAIRN_REQUIRES(disk_mutex_) CAIRN_EXCLUDES(trouble_mutex_);
  [[nodiscard]] Duration lifetime_of(const Recommendations& answer, const EntryPtr& before) const;
  [[nodiscard]] TimePoint expiry_of(const Entry& entry);
  [[nodiscard]] bool due_early(const Entry& entry, TimePoint now);
  void ask_for_refresh(const std::string& key, const RecommendRequest& request, const EntryPtr& entry)
      CAIRN_EXCLUDES(refresh_mutex_);
  void refresh_until(const std::stop_token& stop) CAIRN_EXCLUDES(refresh_mutex_);
  [[nodiscard]] double drawn();
  [[nodiscard]] static std::string bytes_of_entry(const Entry& entry);
  /// Returns: null for other bytes.
  [[nodiscard]] static std::shared_ptr<Entry> entry_of_bytes(std::string_view bytes);
  void spill(const std::string& key, const EntryPtr& entry) CAIRN_EXCLUDES(spill_mutex_);
  void write_until(const std::stop_token& stop) CAIRN_EXCLUDES(spill_mutex_, disk_mutex_);
  /// Computes, and keeps what comes of it wherever it may be kept. `address`: where tier L3 may, if that was looked up
  /// already.
  [[nodiscard]] Result<EntryPtr> compute_and_keep(const CallContext& call, const std::string& key,
                                                  const RecommendRequest& request, const EntryPtr& before,
                                                  std::optional<SharedAnswers::Address> address);
  /// Offers a computed answer to tier L3.
  void share(const RecommendRequest& request, const EntryPtr& entry, SharedAnswers::Address address);
  /// What tier L3 has, if it can be given; it is in memory then. Null: nothing.
  [[nodiscard]] EntryPtr find_shared(const CallContext& call, const std::string& key, const RecommendRequest& request,
                                     const SharedAnswers::Address& address, const Origin& origin);
  /// What the disk has, if it can be given; it is in memory then. Null: nothing.
  [[nodiscard]] EntryPtr find_on_disk(const std::string& key, const RecommendRequest& request, TimePoint now);

  const AnswerCacheOptions options_;
  const Compute compute_;
  const std::function<std::uint64_t()> generation_;
  const Now now_;
  const Knows knows_;
  TagVersions tags_;
  std::atomic<std::uint64_t> epoch_{0};          ///< moves when all answers are outdated
  std::atomic<std::uint64_t> invalidations_{0};  ///< counted before tags move
  std::atomic<std::uint64_t> tags_moved_{0};     ///< and when they have
  std::vector<std::shared_ptr<Shard>> shards_;

  std::atomic<std::uint64_t> draws_{0};
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> stale_hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> outdated_{0};
  std::atomic<std::uint64_t> waited_{0};
  std::atomic<std::uint64_t> refreshes_{0};
  std::atomic<std::uint64_t> passed_{0};
  std::array<std::atomic<std::uint64_t>, 4> age_ms_{};  ///< of answers that were given, by tier
  std::atomic<std::uint64_t> waited_us_{0};
  std::atomic<std::uint64_t> disk_waited_us_{0};

  Mutex refresh_mutex_;
  std::condition_variable_any refresh_wanted_;
  std::deque<Refresh> refresh_queue_ CAIRN_GUARDED_BY(refresh_mutex_);
  std::jthread refresher_;

  const Logger log_;
  const std::unique_ptr<storage::PassingStore> disk_;  ///< null: there is none
  std::atomic<std::uint64_t> disk_hits_{0};
  std::atomic<std::uint64_t> disk_misses_{0};
  std::atomic<std::uint64_t> disk_writes_{0};
  std::atomic<std::uint64_t> disk_dropped_{0};
  Mutex disk_mutex_;             ///< what is written was current while it was: taken by who writes and who empties
  mutable Mutex trouble_mutex_;  ///< is taken after disk_mutex_
  std::string disk_trouble_ CAIRN_GUARDED_BY(trouble_mutex_);  ///< why the last write failed; empty: it did not
  TimePoint disk_retry_ CAIRN_GUARDED_BY(disk_mutex_);
  Mutex spill_mutex_;  ///< may be taken while a shard's mutex is held
  std::condition_variable_any spill_wanted_;
  std::deque<Spill> spill_queue_ CAIRN_GUARDED_BY(spill_mutex_);
  std::size_t spill_bytes_ CAIRN_GUARDED_BY(spill_mutex_) = 0;
  std::jthread writer_;
  std::unique_ptr<SharedAnswers> shared_;  ///< null: there is none
};

}  // namespace cairn::cache
