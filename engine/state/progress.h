#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/mutex.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "engine/state/counters.h"

namespace cairn::state {

/// The position of each partition of each source.
using Positions = std::map<std::pair<std::string, Partition>, SourcePosition, std::less<>>;

/// How far the sources have come, by two watermarks: what answers reflect, and what a crash keeps. The first is ahead
/// by what is pending, and what lies between is asked of the sources again after a crash.
///
/// Threads: any.
class Progress {
 public:
  /// What the store holds. Call once, before anything else.
  void restore(Positions positions, const Counters& counters);

  /// The features reflect everything before `positions`.
  void reflect(std::string_view source, std::span<const SourcePosition> positions, const Counters& counters);
  /// The store holds everything before `positions`.
  void keep(Positions positions);

  [[nodiscard]] std::vector<SourcePosition> reflected(std::string_view source) const;
  [[nodiscard]] std::vector<Watermark> reflected() const;
  [[nodiscard]] std::vector<Watermark> durable() const;
  /// All that are reflected, with their cursors.
  [[nodiscard]] Positions positions() const;
  [[nodiscard]] Counters counters() const;

  /// Waits until everything before `watermark` is reflected. Returns: DEADLINE_EXCEEDED, CANCELLED; UNAVAILABLE when
  /// the server is stopping, and after stop_waiting().
  Status wait_for(const Watermark& watermark, const CallContext& context) const;
  [[nodiscard]] bool reached(const Watermark& watermark) const;
  /// Wakes those who wait: nothing will be applied any more. Idempotent.
  void stop_waiting();

 private:
  [[nodiscard]] bool has_reached(const Watermark& watermark) const CAIRN_REQUIRES(mutex_);

  mutable Mutex mutex_;
  mutable std::condition_variable_any advanced_;
  Positions reflected_ CAIRN_GUARDED_BY(mutex_);
  Positions durable_ CAIRN_GUARDED_BY(mutex_);
  Counters counters_ CAIRN_GUARDED_BY(mutex_);
  bool stopped_waiting_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::state
