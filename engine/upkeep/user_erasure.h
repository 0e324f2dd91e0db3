#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "cairn/user_data.h"
#include "engine/upkeep/erasure_notes.h"

namespace cairn::upkeep {

/// Erases users, part by part, so that what was begun is finished: a note on the disk comes first, says which parts are
/// done, and goes when all are.
///
/// Each part must be able to begin again: a crash may come between its end and the note of that.
///
/// Threads: any; one erasure at a time.
class UserErasure {
 public:
  /// A place where something of a user lies.
  struct Part {
    std::string name;                                                ///< ErasedPart::where
    std::string what;                                                ///< ErasedPart::what
    bool local = true;                                               ///< false: it may wait for a server
    std::function<Result<std::uint64_t>(const ErasureNote&)> erase;  ///< says how much went
  };
  /// `clock` must outlive it. `log_end`: where the API's log ends now. `until`: up to when a user's events are refused.
  struct Options {
    std::string notes_path;
    std::function<Offset()> log_end;
    std::function<std::optional<EventTime>(const UserId&)> until;
    Logger log;
  };
  UserErasure(Options options, const Clock& clock, std::vector<Part> parts)
      : options_(std::move(options)), clock_(clock), parts_(std::move(parts)), notes_(options_.notes_path) {}

  /// Goes on with what a crash has cut short, as far as it needs no server. To be called before any source is read.
  /// What cannot be done is left to go_on(). Returns: DATA_LOSS for notes that cannot be read, UNAVAILABLE.
  [[nodiscard]] Status recover() CAIRN_EXCLUDES(mutex_);

  /// See Engine::erase_user.
  [[nodiscard]] Result<ErasureReceipt> erase(const UserId& user) CAIRN_EXCLUDES(mutex_);

  /// Tries again what is not done, now and then. A chore; waits for nobody.
  void go_on() CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] std::uint64_t pending() const noexcept { return pending_.load(std::memory_order_relaxed); }

 private:
  enum class Which : std::uint8_t { kAll, kLocal };
  ErasureReceipt run(ErasureNote note, Which which) CAIRN_REQUIRES(mutex_);
  ErasedPart run_part(const Part& part, ErasureNote* note) CAIRN_REQUIRES(mutex_);
  void count() CAIRN_REQUIRES(mutex_) { pending_.store(notes_.all().size(), std::memory_order_relaxed); }

  // Fixed after construction.
  const Options options_;
  const Clock& clock_;
  const std::vector<Part> parts_;

  std::atomic<std::uint64_t> pending_{0};
  Mutex mutex_;  ///< held for a whole erasure
  ErasureNotes notes_ CAIRN_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point tried_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::upkeep
