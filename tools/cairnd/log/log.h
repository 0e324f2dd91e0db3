#pragma once

#include <cstdint>
#include <memory>

#include "cairn/log.h"

namespace cairn::cairnd {

enum class LogStyle : std::uint8_t { kText, kJournal, kJson };

/// kJournal when standard error is the journal's stream (JOURNAL_STREAM names its device and inode, systemd.exec(5)).
[[nodiscard]] LogStyle text_style_for_stderr();

/// Writes the process's log records to standard error, one line each. Records are handed to a thread of its own through
/// a bounded queue, so that a blocked journal never blocks ingest; past 8,192 waiting records the oldest are dropped
/// and counted. Repeats are thinned out (RepeatFilter). All methods from any thread.
class Log {
 public:
  Log(LogLevel level, LogStyle style);
  /// Writes what is waiting, unless standard error takes nothing for a second: a reader that stands still does not keep
  /// the process from ending. Loggers made from it must not be used any more.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// A logger that writes here.
  [[nodiscard]] Logger logger();

  void set_level(LogLevel level);

  /// Writes what is due by time: summaries of repeats, the count of dropped records. Call about once a second.
  void tick();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace cairn::cairnd
