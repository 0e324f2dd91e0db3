#pragma once

#include <chrono>
#include <pqxx/pqxx>
#include <set>
#include <string>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "sql/postgres/pool.h"

namespace cairn::sql {

/// The month (UTC) whose partitions hold an event of this time.
[[nodiscard]] std::chrono::year_month month_of(EventTime time);

/// The month partitions of user_interactions and place_stats_hourly. Remembers which exist.
///
/// A month is made as a table of its own and then attached, in a transaction of its own: unlike CREATE TABLE ...
/// PARTITION OF, that locks out neither readers nor writers of the other months. Both tables get each month; one that
/// was dropped from one of them is made again when an event falls into it.
///
/// Threads: any.
class Partitions {
 public:
  using Months = std::set<std::chrono::year_month>;

  /// `pool` must outlive this. `months_max`: most months that may exist.
  Partitions(Pool& pool, int months_max);

  /// Makes those that are not there yet.
  /// Returns: RESOURCE_EXHAUSTED, with nothing made, when there would be more than months_max; what Pool::run returns.
  Status ensure(const Months& months);

  /// Looks again at the next ensure(): somebody may have dropped partitions.
  void forget();

 private:
  Status make_missing(pqxx::work& transaction, const Months& months) const;

  Pool& pool_;
  const std::size_t months_max_;

  Mutex mutex_;
  Months known_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::sql
