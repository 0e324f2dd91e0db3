#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "streaming/api_record.h"
#include "streaming/event_log.h"

namespace cairn::ingest {

/// The calls with an idempotency key that were taken: what makes a repeat of one known, so that its events do not count
/// twice.
///
/// The log is where they are kept. A call's events and its key are one record, so that a crash keeps both or neither,
/// and what memory has of them is read from the log when it is first asked for. Before a part of the log is removed,
/// those of its calls that are still to be known are written down again at its end.
///
/// Bounded by IdempotencyOptions: the oldest calls are forgotten first.
///
/// Threads: any.
class TakenCalls {
 public:
  /// All must outlive it.
  TakenCalls(const IdempotencyOptions& options, const Clock& clock, streaming::EventLog& log)
      : options_(options), clock_(clock), log_(log) {}

  /// Asks to take the call. While another one with its key is under way, waits for what becomes of that.
  /// Returns: the call that was taken under this key before; or nothing, and then the caller must call end() once.
  /// INVALID_ARGUMENT when the key was used for other events; DEADLINE_EXCEEDED, CANCELLED; what the log says.
  [[nodiscard]] Result<std::optional<streaming::ApiCall>> begin(const CallContext& context, streaming::CallKey key,
                                                                std::uint32_t content) CAIRN_EXCLUDES(mutex_);
  /// The call is over; `taken` when its record is in the log.
  void end(streaming::CallKey key, const std::optional<streaming::ApiCall>& taken) CAIRN_EXCLUDES(mutex_);

  /// Writes down again, at the log's end, the calls of which the log would know nothing more once it began at `begin`.
  /// Returns: what the log says; then nothing may be removed.
  [[nodiscard]] Status keep(Offset begin) CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] std::size_t size() const CAIRN_EXCLUDES(mutex_);

 private:
  struct KeyHash {
    std::size_t operator()(const streaming::CallKey& key) const noexcept { return key.low; }
  };
  struct Known {
    streaming::ApiCall call;
    Offset at;  ///< in the record of the log that knows it
  };

  Status load() CAIRN_REQUIRES(mutex_);
  Status read_log(Offset from, Offset end) CAIRN_REQUIRES(mutex_);
  void remember(const streaming::ApiCall& call, Offset at) CAIRN_REQUIRES(mutex_);
  void forget_old() CAIRN_REQUIRES(mutex_);

  // Fixed after construction.
  const IdempotencyOptions options_;
  const Clock& clock_;
  streaming::EventLog& log_;

  mutable Mutex mutex_;
  std::condition_variable_any over_;  ///< a call under way has ended
  bool loaded_ CAIRN_GUARDED_BY(mutex_) = false;
  std::unordered_map<streaming::CallKey, Known, KeyHash> known_ CAIRN_GUARDED_BY(mutex_);
  std::deque<std::pair<EventTime, streaming::CallKey>> order_ CAIRN_GUARDED_BY(mutex_);  ///< known_'s, as taken
  std::set<streaming::CallKey> under_way_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::ingest
