#pragma once

#include <functional>
#include <utility>

#include "cairn/ids.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "streaming/event_log.h"

namespace cairn::upkeep {

/// Removes from the API's log what every consumer of it has applied and holds in files of its own, which the loss of no
/// log can touch; but not its newest part (`EventLogOptions::kept_bytes`), in which corrections look events up.
///
/// Threads: any.
class LogTrimmer {
 public:
  /// How far every consumer of the log has come, the slowest one; the log's beginning while one does not know yet.
  using Reached = std::function<Offset()>;
  /// Makes consumers put what they have applied into files.
  using Flush = std::function<Status()>;
  /// Saves what else is in the log before the offset, where it is about to begin. Nothing is removed when it fails.
  using Keep = std::function<Status(Offset)>;

  /// More of the log than this calls for `flush`, because consumers see to their files by themselves only now and then.
  static constexpr std::int64_t kLogBytesMax = 256 << 20;

  /// `log` must outlive the trimmer.
  LogTrimmer(streaming::EventLog& log, Reached reached, Flush flush, Keep keep, Logger logger)
      : log_(log),
        reached_(std::move(reached)),
        flush_(std::move(flush)),
        keep_(std::move(keep)),
        logger_(std::move(logger)) {}

  /// Does nothing while not_trimming() is held: the chores that come after must not wait for a copy.
  void trim() CAIRN_EXCLUDES(mutex_);

  /// Held while the log's files are copied: nothing is trimmed meanwhile.
  [[nodiscard]] Mutex& not_trimming() CAIRN_RETURN_CAPABILITY(mutex_) { return mutex_; }

 private:
  Status remove();

  streaming::EventLog& log_;
  const Reached reached_;
  const Flush flush_;
  const Keep keep_;
  const Logger logger_;
  Mutex mutex_;
};

}  // namespace cairn::upkeep
