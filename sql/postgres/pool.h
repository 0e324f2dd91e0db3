#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "sql/postgres/connection_settings.h"
#include "sql/postgres/session.h"

namespace cairn::sql {

/// At most `size` sessions, opened when needed, reused when nothing went wrong. Here exceptions of libpqxx stop.
/// Threads: any.
class Pool {
 public:
  Pool(ConnectionSettings settings, int size, Logger log);

  /// Runs `work` with a session of its own. A session on which something was thrown is destroyed, and so is an idle
  /// one whose server has gone. `what` says in messages what was being done.
  /// Returns: what `work` returned, or its exception as a Status (errors.h); UNAVAILABLE when no session came free
  /// within the statement timeout.
  Status run(std::string_view what, const std::function<Status(Session&)>& work);

  /// Closes the idle sessions, so that the next ones see what was changed for all.
  void close_idle();

 private:
  std::unique_ptr<Session> take_idle();  ///< null when none is fit
  bool wait_for_slot();
  void release(std::unique_ptr<Session> session);

  const ConnectionSettings settings_;
  const int size_;
  const Logger log_;

  Mutex mutex_;
  CondVar slot_free_;
  int in_use_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Session>> idle_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::sql
