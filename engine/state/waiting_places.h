#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "cairn/status.h"
#include "features/schema.h"
#include "storage/state_store.h"

namespace cairn::state {

/// How many events wait for which places: those that were applied before their place was in the catalogue. What they
/// add to cells lies in a row of the place until it comes; what they add to users lies in the users' own rows.
///
/// Threads: one at a time, but for stats(), which any may call.
class WaitingPlaces {
 public:
  struct Stats {
    std::uint64_t places = 0;
    std::uint64_t events = 0;  ///< that wait now
    std::uint64_t filled = 0;  ///< events whose places have come since this was made
  };

  /// Reads what is stored. `row_is_damaged` is told of rows that cannot be read; they are left out.
  Status recover(const storage::StateStore& store, const features::Schema& schema,
                 const std::function<void(std::string_view key, const Status&)>& row_is_damaged);

  void add(std::uint64_t place, std::uint64_t events);
  [[nodiscard]] bool contains(std::uint64_t place) const { return events_.contains(place); }
  /// The place has come, or is forgotten.
  void remove(std::uint64_t place, bool filled);
  [[nodiscard]] std::vector<std::uint64_t> places() const;

  [[nodiscard]] Stats stats() const noexcept;
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> events_;  ///< by dictionary id of the place
  std::atomic<std::uint64_t> places_count_{0};
  std::atomic<std::uint64_t> events_count_{0};
  std::atomic<std::uint64_t> filled_{0};
};

}  // namespace cairn::state
