#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "engine/state/catalog.h"
#include "sql/place_mirror.h"

namespace cairn::upkeep {

/// Brings the catalogue's places to PostgreSQL. The protocol rests on versions: each upsert into the catalogue raises
/// its version by one and stamps its places with it, and PostgreSQL records, in the transaction that writes places, the
/// largest version that it holds.
///
/// 1. First it is found out whose places PostgreSQL holds. When its version is the one that this state directory last
///    knew to have written, they are ours. Otherwise another directory has written there, or this one did just before
///    a crash. Then the whole catalogue is stamped anew, above PostgreSQL's version, so that all of it is written.
/// 2. Places newer than PostgreSQL's version are written in ascending order of version, in chunks.
/// 3. A chunk that ends in the middle of a version is recorded as the version before it. A crash then repeats the
///    places of that version, and cannot leave any of them out.
/// 4. After each chunk the version written is noted in the state directory, for step 1 of the next start.
///
/// Threads: push() by one at a time; wait_for() by any.
class PlaceSync {
 public:
  /// All must outlive it. `chunk_places_max`: the most places in one transaction.
  PlaceSync(state::Catalog& catalog, sql::PlaceMirror& mirror, Logger log, std::size_t chunk_places_max = 10'000)
      : catalog_(catalog), mirror_(mirror), log_(std::move(log)), chunk_places_max_(chunk_places_max) {}

  /// Writes what is newer than what PostgreSQL holds. Ends early when a store fails, which is
  /// logged once; the next call goes on.
  void push() CAIRN_EXCLUDES(mutex_);

  /// What PostgreSQL holds is found out anew at the next push: its tables may have been made again.
  void forget() CAIRN_EXCLUDES(mutex_);

  /// The catalogue as it is now, for wait_for(). Empty: until step 1 is done, a version says nothing of whose places
  /// are meant.
  [[nodiscard]] std::optional<std::uint64_t> mark() const CAIRN_EXCLUDES(mutex_);
  /// Waits until PostgreSQL holds the catalogue as it was at the mark. Returns: DEADLINE_EXCEEDED, CANCELLED;
  /// UNAVAILABLE once stopped.
  [[nodiscard]] Status wait_for(std::optional<std::uint64_t> mark, const CallContext& context) const
      CAIRN_EXCLUDES(mutex_);

  /// Wakes those who wait; nothing will be pushed any more. Idempotent.
  void stop() CAIRN_EXCLUDES(mutex_);

 private:
  Status bring_up_to_date() CAIRN_EXCLUDES(mutex_);
  Result<std::uint64_t> find_out() CAIRN_EXCLUDES(mutex_);
  Status write(std::span<const state::Catalog::Stored> newer) CAIRN_EXCLUDES(mutex_);
  void set_written(std::uint64_t version) CAIRN_EXCLUDES(mutex_);

  state::Catalog& catalog_;
  sql::PlaceMirror& mirror_;
  const Logger log_;
  const std::size_t chunk_places_max_;
  std::string trouble_;  ///< of the last push, said once; of the thread that calls push()

  mutable Mutex mutex_;
  mutable std::condition_variable_any written_cv_;
  std::optional<std::uint64_t> written_ CAIRN_GUARDED_BY(mutex_);  ///< version in PostgreSQL; absent: not known yet
  bool stopped_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::upkeep
