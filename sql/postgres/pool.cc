#include "sql/postgres/pool.h"

#include <chrono>
#include <utility>

#include "sql/postgres/errors.h"

namespace cairn::sql {

Pool::Pool(ConnectionSettings settings, int size, Logger log)
    : settings_(std::move(settings)), size_(size), log_(std::move(log)) {}

Status Pool::run(std::string_view what, const std::function<Status(Session&)>& work) {
  if (!wait_for_slot()) {
    return unavailable(std::string(what) + ": all " + std::to_string(size_) +
                       " connections were in use for longer than sql.statement_timeout; raise sql.pool_size");
  }
  std::unique_ptr<Session> session;
  Status status;
  try {
    session = take_idle();
    // Connecting happens outside the lock: it takes milliseconds, or seconds when the server is gone.
    if (session == nullptr) session = std::make_unique<Session>(settings_, log_);
    status = work(*session);
  } catch (...) {
    // libpqxx 6 may take a dead connection for a living one, so a session that saw any exception is not used again.
    status = current_exception_status();
    session.reset();
  }
  release(std::move(session));
  return std::move(status).with_context(what);
}

bool Pool::wait_for_slot() {
  const auto deadline = std::chrono::steady_clock::now() + settings_.statement_timeout;
  const MutexLock lock(mutex_);
  while (in_use_ >= size_) {
    if (slot_free_.wait_until(mutex_, deadline) == std::cv_status::timeout && in_use_ >= size_) return false;
  }
  ++in_use_;
  return true;
}

std::unique_ptr<Session> Pool::take_idle() {
  for (;;) {
    std::unique_ptr<Session> session;
    {
      const MutexLock lock(mutex_);
      if (idle_.empty()) return nullptr;
      session = std::move(idle_.back());
      idle_.pop_back();
    }
    // Checked outside the lock. One that the server has closed is destroyed here, and the next idle one is looked at.
    if (session->is_quiet()) return session;
  }
}

void Pool::release(std::unique_ptr<Session> session) {
  {
    const MutexLock lock(mutex_);
    --in_use_;
    if (session != nullptr) idle_.push_back(std::move(session));
  }
  // Behind the lock, so that the one who wakes does not wait for it at once.
  slot_free_.notify_one();
}

void Pool::close_idle() {
  std::vector<std::unique_ptr<Session>> closing;
  const MutexLock lock(mutex_);
  // Sessions end after the lock: closing a connection talks to the server.
  closing.swap(idle_);
}

}  // namespace cairn::sql
