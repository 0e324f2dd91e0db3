#include "engine/serving/http/session_registry.h"

#include <utility>
#include <vector>

#include "engine/serving/http/session.h"

namespace cairn::serving {

void SessionRegistry::add(Session* session, std::weak_ptr<Session> reference) {
  const MutexLock lock(mutex_);
  sessions_.emplace(session, std::move(reference));
}

void SessionRegistry::remove(Session* session) {
  const MutexLock lock(mutex_);
  sessions_.erase(session);
  if (sessions_.empty()) empty_.notify_all();
}

std::size_t SessionRegistry::size() const {
  const MutexLock lock(mutex_);
  return sessions_.size();
}

void SessionRegistry::for_each(const std::function<void(Session&)>& visit) const {
  std::vector<std::shared_ptr<Session>> alive;  // outside the lock: the last reference removes the session
  {
    const MutexLock lock(mutex_);
    for (const auto& [session, reference] : sessions_) {
      if (auto locked = reference.lock()) alive.push_back(std::move(locked));
    }
  }
  for (const auto& session : alive) visit(*session);
}

bool SessionRegistry::wait_until_empty(std::chrono::milliseconds limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  const MutexLock lock(mutex_);
  while (!sessions_.empty()) {
    if (empty_.wait_until(mutex_, end) == std::cv_status::timeout) return sessions_.empty();
  }
  return true;
}

}  // namespace cairn::serving
