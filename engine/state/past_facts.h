#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What applying an event needs to know of its place.
struct Facts {
  std::optional<std::uint64_t> category;  ///< dictionary id
  std::optional<std::uint64_t> cell;      ///< features::cell_of(); nullopt: not in the catalogue

  friend bool operator==(const Facts&, const Facts&) = default;
};

/// What the facts of places were before they changed, and when what was counted for them was erased, by moments, which
/// are counted here. So a retraction takes its event out of the category and the cell in which it was counted, and out
/// of nothing that began anew since.
///
/// The owner sees to it that nobody reads while it is changed.
class PastFacts {
 public:
  /// Facts of a place that are kept. Of older moments is known that they are not known.
  static constexpr std::size_t kPerPlaceMax = 16;
  /// Erasures of a place that are kept: the newest ones.
  static constexpr std::size_t kErasuresMax = 16;

  /// Returns: DATA_LOSS, and what the store says.
  [[nodiscard]] Status load(const storage::StateStore& store);

  [[nodiscard]] std::uint32_t moment() const noexcept { return moment_; }

  /// What held at a moment.
  struct Then {
    bool known = true;            ///< false: it was too long ago, the rest is meaningless
    Facts facts;                  ///< of that moment
    bool changed = false;         ///< since then
    std::optional<Facts> coming;  ///< of a place that was not in the catalogue: with which it came; nullopt: not yet
    std::uint32_t came_in = 0;    ///< the first moment with `coming`
    bool erased = false;          ///< the place's history was erased since
    bool dropped = false;         ///< it was erased while the place was not in the catalogue, and so what waited for it
  };
  /// `now`: the facts of today.
  [[nodiscard]] Then at(std::uint64_t place, std::uint32_t moment, const Facts& now) const;

  /// The moment ends, and places had these facts in it. put() them into a batch, and, once that is stored, into force.
  using Ended = std::vector<std::pair<std::uint64_t, Facts>>;
  void put(const Ended& ended, storage::WriteBatch* batch) const;
  void apply(const Ended& ended);

  /// What was counted for a place until the end of a moment is erased. Returns: key and value of the note of that, to
  /// be stored in one write with the erasure.
  std::pair<std::string, std::string> erase(std::uint64_t place, std::uint32_t moment);

  /// Forgets facts that were over and erasures that came before `moment`, if there are any. Returns: what the store
  /// says.
  Status forget_before(std::uint32_t moment, storage::StateStore* store);

  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  /// Facts of a place until the end of a moment.
  struct Before {
    std::uint32_t until = 0;
    bool known = true;
    Facts facts;
  };
  using History = std::vector<Before>;  ///< ascending

  [[nodiscard]] History with(std::uint64_t place, const Facts& facts) const;
  static void put(std::uint64_t place, const History& history, storage::WriteBatch* batch);

  std::uint32_t moment_ = 1;
  std::unordered_map<std::uint64_t, History> places_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> erasures_;  ///< last moments of before; ascending
};

}  // namespace cairn::state
