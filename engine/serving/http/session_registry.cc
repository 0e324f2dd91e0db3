#include "engine/serving/http/session_registry.h"

#include <utility>
#include <vector>

#include "engine/serving/http/session.h"

namespace cairn::serving {

std::optional<Place> SessionRegistry::find_place(const Peer& peer) {
  std::shared_ptr<Session> displaced;  // outside the lock: the last reference removes the session
  std::optional<Place> found;
  {
    const MutexLock lock(mutex_);
    const auto own = ordinary_of_.find(peer);
    const bool peer_full = own != ordinary_of_.end() && own->second >= connections_max_ - connections_max_ / 4;
    if (!peer_full && ordinary_ < connections_max_) return Place::kOrdinary;
    if (displace(Place::kOrdinary, peer_full ? &peer : nullptr, &displaced)) {
      found = Place::kOrdinary;
    } else if (reserved_ < kReservedPlaces || displace(Place::kReserved, nullptr, &displaced)) {
      found = Place::kReserved;
    }
  }
  if (displaced) displaced->give_way();
  return found;
}

bool SessionRegistry::close_longest_waiting() {
  std::shared_ptr<Session> displaced;
  bool found = false;
  {
    const MutexLock lock(mutex_);
    found = displace(Place::kOrdinary, nullptr, &displaced);
  }
  if (displaced) displaced->give_way();
  return found;
}

/// Frees the place of the session that has waited longest, of a peer or of all. `displaced` is empty afterwards when
/// that session is being destroyed already.
bool SessionRegistry::displace(Place place, const Peer* peer, std::shared_ptr<Session>* displaced) {
  Entry* longest = nullptr;
  std::int64_t since = Session::kNotWaiting;
  for (auto& [session, entry] : sessions_) {
    if (entry.leaving || entry.place != place || (peer != nullptr && entry.peer != *peer)) continue;
    const std::int64_t waiting_since = session->waiting_since();
    if (waiting_since >= since) continue;
    since = waiting_since;
    longest = &entry;
  }
  if (longest == nullptr) return false;
  longest->leaving = true;
  leave(*longest);
  *displaced = longest->reference.lock();
  return true;
}

void SessionRegistry::leave(const Entry& entry) {
  if (entry.place == Place::kReserved) {
    --reserved_;
    return;
  }
  --ordinary_;
  const auto own = ordinary_of_.find(entry.peer);
  if (--own->second == 0) ordinary_of_.erase(own);
}

void SessionRegistry::add(Session* session, std::weak_ptr<Session> reference, const Peer& peer, Place place) {
  const MutexLock lock(mutex_);
  // What may fail goes first: a place that is counted has to be somebody's.
  std::size_t* const own = place == Place::kOrdinary ? &ordinary_of_[peer] : nullptr;
  sessions_.emplace(session, Entry{std::move(reference), peer, place});
  ++(own != nullptr ? ordinary_ : reserved_);
  if (own != nullptr) ++*own;
}

void SessionRegistry::remove(Session* session) {
  const MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;  // it was never started
  if (!found->second.leaving) leave(found->second);
  sessions_.erase(found);
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
    for (const auto& [session, entry] : sessions_) {
      if (auto locked = entry.reference.lock()) alive.push_back(std::move(locked));
    }
  }
  for (const auto& session : alive) visit(*session);
}

bool SessionRegistry::wait_until_empty(std::chrono::steady_clock::time_point end) const {
  const MutexLock lock(mutex_);
  while (!sessions_.empty()) {
    if (empty_.wait_until(mutex_, end) == std::cv_status::timeout) return sessions_.empty();
  }
  return true;
}

}  // namespace cairn::serving
