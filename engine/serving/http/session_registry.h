#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>

#include "cairn/mutex.h"
#include "engine/serving/api/json_api.h"
#include "engine/serving/http_server.h"

namespace cairn::serving {

class Session;

/// The sessions alive, so that they can be counted, drained and waited for. Threads: any.
class SessionRegistry {
 public:
  void add(Session* session, std::weak_ptr<Session> reference);
  void remove(Session* session);
  [[nodiscard]] std::size_t size() const;

  /// Calls `visit` on every session alive, outside the lock.
  void for_each(const std::function<void(Session&)>& visit) const;
  /// Waits until there is none. Returns false when `limit` came first.
  [[nodiscard]] bool wait_until_empty(std::chrono::milliseconds limit) const;

 private:
  mutable Mutex mutex_;
  mutable CondVar empty_;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions_ CAIRN_GUARDED_BY(mutex_);
};

/// What all sessions of a server share. Outlives them.
struct SessionContext {
  const HttpOptions& options;
  JsonApi& api;
  SessionRegistry& registry;
  std::atomic<bool>& draining;
};

}  // namespace cairn::serving
