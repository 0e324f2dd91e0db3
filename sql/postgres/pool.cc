#include "sql/postgres/pool.h"

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
    if (session == nullptr) session = std::make_unique<Session>(settings_, log_);
    status = work(*session);
  } catch (...) {
    status = current_exception_status();
    session.reset();
  }
  release(std::move(session));
  return std::move(status).with_context(what);
}

bool Pool::wait_for_slot() {
  std::unique_lock lock(mutex_);
  if (!slot_free_.wait_for(lock, settings_.statement_timeout, [&] { return in_use_ < size_; })) return false;
  ++in_use_;
  return true;
}

std::unique_ptr<Session> Pool::take_idle() {
  for (;;) {
    std::unique_ptr<Session> session;
    {
      const std::lock_guard lock(mutex_);
      if (idle_.empty()) return nullptr;
      session = std::move(idle_.back());
      idle_.pop_back();
    }
    if (session->is_quiet()) return session;
  }
}

void Pool::release(std::unique_ptr<Session> session) {
  {
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (session != nullptr) idle_.push_back(std::move(session));
  }
  slot_free_.notify_one();
}

void Pool::close_idle() {
  std::vector<std::unique_ptr<Session>> closing;
  const std::lock_guard lock(mutex_);
  closing.swap(idle_);
}

}  // namespace cairn::sql
