#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cairn/clock.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "sql/upkeep.h"

namespace cairn::upkeep {

/// Keeps PostgreSQL usable: the schema is there and of this version, the partitions of the months ahead exist. Also
/// knows whether the server answers, which is what readiness tells.
///
/// Threads: run() by one at a time; trouble() by any.
class SqlUpkeep {
 public:
  /// All must outlive it.
  SqlUpkeep(sql::Upkeep& upkeep, const Clock& clock, Logger log)
      : upkeep_(upkeep), clock_(clock), log_(std::move(log)) {}

  /// Asks the server for a sign of life. In the first round in which it answers, and then once an hour, the schema is
  /// brought up to date and partitions are made.
  void run();

  /// Empty while the last round found all well; else what is wrong, with the remedy.
  [[nodiscard]] std::string trouble() const CAIRN_EXCLUDES(mutex_);

 private:
  Status keep();
  void set_trouble(std::string trouble) CAIRN_EXCLUDES(mutex_);

  sql::Upkeep& upkeep_;
  const Clock& clock_;
  const Logger log_;
  std::optional<std::chrono::steady_clock::time_point> maintained_;  ///< of the thread that calls run()

  mutable Mutex mutex_;
  std::string trouble_ CAIRN_GUARDED_BY(mutex_) = "not asked yet";
};

}  // namespace cairn::upkeep
