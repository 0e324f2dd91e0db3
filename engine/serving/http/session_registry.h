#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "cairn/mutex.h"
#include "engine/serving/api/json_api.h"
#include "engine/serving/http/headers.h"
#include "engine/serving/http/memory_budget.h"
#include "engine/serving/http_server.h"

namespace cairn::serving {

class Session;

/// Whom a connection comes from, as far as its address tells: IPv4 addresses in IPv6's form, and of other IPv6
/// addresses the first half, because whoever has one has all that share it.
using Peer = std::array<std::uint8_t, 16>;

/// What a connection may ask for. Beyond the ordinary ones there are some for probes, so that whoever watches the
/// server hears from it also while it holds as many connections as it may.
enum class Place : std::uint8_t { kOrdinary, kReserved };

/// The sessions alive, so that they can be limited, counted, drained and waited for.
///
/// There are `connections_max` ordinary places, of which one peer may have three quarters. When there is none for a new
/// connection, the one that has waited longest for a whole request, of that peer or of all, is closed and gives its
/// place. What has a request in the engine keeps its place; a connection that finds none is given a reserved one.
///
/// Threads: any.
class SessionRegistry {
 public:
  static constexpr std::size_t kReservedPlaces = HttpOptions::kReservedConnections;

  explicit SessionRegistry(std::size_t connections_max) noexcept : connections_max_(connections_max) {}

  /// A place for a connection that was accepted from `peer`, to be taken by `add`. None: there is not even a reserved
  /// one, and the connection has to be closed. Called by one thread at a time.
  [[nodiscard]] std::optional<Place> find_place(const Peer& peer);
  /// Closes the connection that has waited longest for a request. Returns false when none waits.
  bool close_longest_waiting();

  void add(Session* session, std::weak_ptr<Session> reference, const Peer& peer, Place place);
  void remove(Session* session);
  [[nodiscard]] std::size_t size() const;

  /// Calls `visit` on every session alive, outside the lock.
  void for_each(const std::function<void(Session&)>& visit) const;
  /// Waits until there is none. Returns false when `end` came first.
  [[nodiscard]] bool wait_until_empty(std::chrono::steady_clock::time_point end) const;

 private:
  struct Entry {
    std::weak_ptr<Session> reference;
    Peer peer;
    Place place;
    bool leaving = false;  ///< its place is another's already
  };

  bool displace(Place place, const Peer* peer, std::shared_ptr<Session>* displaced) CAIRN_REQUIRES(mutex_);
  void leave(const Entry& entry) CAIRN_REQUIRES(mutex_);

  const std::size_t connections_max_;
  mutable Mutex mutex_;
  mutable CondVar empty_;
  std::unordered_map<Session*, Entry> sessions_ CAIRN_GUARDED_BY(mutex_);
  std::size_t ordinary_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::size_t reserved_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::map<Peer, std::size_t> ordinary_of_ CAIRN_GUARDED_BY(mutex_);
};

/// The life of a server. In its last requests, every connection is closed after the one answer more that it may get;
/// after that, one between requests is closed as it is.
enum class Phase : std::uint8_t { kServing, kLastRequests, kClosing };

/// What all sessions of a server share. Outlives them.
struct SessionContext {
  const HttpOptions& options;
  const HostNames& hosts;
  JsonApi& api;
  SessionRegistry& registry;
  MemoryBudget& memory;
  std::atomic<Phase>& phase;
};

}  // namespace cairn::serving
