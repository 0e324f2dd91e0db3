#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

#include "cairn/call_context.h"
#include "cairn/status.h"

namespace cairn::serving {

/// Which threads run a call. Every lane has threads and a bounded queue of its own, so that a slow kind of call (a
/// write that waits for the disk, a wait of minutes) never takes the threads of a quick one.
enum class Lane : std::uint8_t {
  kInline,  ///< on the thread that submits: answers that touch nothing but memory
  kProbe,   ///< readiness, status, metrics: answered also while everything else is full
  kRead,    ///< recommendations and features
  kWrite,   ///< waits for the disk
  kWait,    ///< may take minutes by design
  kAwait,   ///< does nothing but wait for what others bring, perhaps for minutes
};
inline constexpr std::size_t kLanes = 6;

/// "read": how metrics and messages name a lane.
[[nodiscard]] constexpr std::string_view name_of(Lane lane) noexcept {
  constexpr std::string_view kNames[kLanes] = {"inline", "probe", "read", "write", "wait", "await"};
  return kNames[static_cast<std::size_t>(lane)];
}

/// One request as admission sees it: what it may cost, and what to do with it. Which protocol it came by, and what it
/// asks for, is the business of the codec that made it.
///
/// Exactly one of `run` and `refuse` is called, exactly once. Neither
/// should throw: what one throws is logged, and its call counts as run.
struct Call {
  /// Its deadline is counted from when the request was received. Admission sets `cancelled`, from `cancel`, and
  /// `stopping`.
  CallContext context;
  /// Stop is requested when nobody waits for the answer any more. Admission does so when it drops the call and when the
  /// server stops; who notices that the client has hung up keeps a copy and does the same.
  std::stop_source cancel;
  /// Does the work and delivers the answer, on a thread of the call's lane.
  std::function<void(CallContext)> run;
  /// Delivers a refusal instead: RESOURCE_EXHAUSTED, the queue is full; DEADLINE_EXCEEDED, the deadline passed in the
  /// queue; UNAVAILABLE, the server stops. Called on whichever thread finds out, and must not block.
  std::function<void(const Status&)> refuse;
};

/// What became of the calls that a lane was given. At every moment
/// `admitted == completed + rejected + expired + queued + running`.
struct LaneCounts {
  std::uint64_t admitted = 0;   ///< submitted
  std::uint64_t completed = 0;  ///< ran to their end, whatever the answer said
  std::uint64_t rejected = 0;   ///< refused, because the queue was full or the server stopped
  std::uint64_t expired = 0;    ///< dropped, because their deadline passed in the queue
  std::uint64_t queued = 0;     ///< wait for a thread
  std::uint64_t running = 0;
};

}  // namespace cairn::serving
