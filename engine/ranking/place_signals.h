#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "engine/ranking/own_features.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/state/feature_state.h"
#include "features/decay.h"
#include "features/schema.h"

namespace cairn::ranking {

/// What ranking reads of one place, decoded and dense: the place's views of builtin_views.h.
struct PlaceSignal {
  std::int64_t visits = 0;
  features::DecayedSum visits_30d;  ///< kPlaceVisits30d, in the row's own form
  std::int64_t ratings = 0;
  std::int64_t rating_micros = 0;
  std::vector<std::pair<std::uint16_t, std::uint32_t>> week;  ///< (hour of week, visits), ascending
  std::vector<std::pair<std::int32_t, std::uint32_t>>
      tiles;  ///< (hour tile, visits), ascending, the newest kTilesKept hours
};

/// What is known of a place without events.
inline const PlaceSignal kNoSignal;

/// The signals of all places and their totals by category, kept fresh by observing the feature state.
///
/// Everything here is named by dictionary ids, which keep their meaning for ever, and nothing by rows. So a request may
/// score the rows of one index while the totals are counted anew by the categories of another: each place still has its
/// own signals, and a total is that of the older or of the newer catalogue. A place or a category that is not here yet
/// has no visits.
///
/// Threads: any. Readers hold a Reader while they look; writers wait for them.
class PlaceSignals {
 public:
  static constexpr std::int32_t kTilesKept = 48;
  /// So many of the newest changes are remembered.
  static constexpr std::size_t kChangesKept = 1u << 16;

  /// Visits of all places of one category.
  struct CategoryTotals {
    std::int64_t visits = 0;
    std::array<std::uint32_t, 168> week{};
  };

  /// A geohash.
  struct Cell {
    int letters = 0;
    std::uint64_t bits = 0;
  };

  class Reader;

  /// Looks up the views in the state's schema; keeps no reference. Of `own` features, what they read of places and
  /// cells is kept too.
  explicit PlaceSignals(const state::FeatureState& state, OwnFeatures own = {});

  [[nodiscard]] const OwnFeatures& own() const noexcept { return own_; }

  /// Adds changes of places.
  void update(std::span<const state::PlaceChange> changes) CAIRN_EXCLUDES(mutex_);
  /// Adds changes of cells. Needed only where own features read some.
  void update_cells(std::span<const state::CellChange> changes) CAIRN_EXCLUDES(mutex_);
  /// Forgets a cell, and learns what `changes` say of it, in one step.
  void replace_cell(Cell cell, std::span<const state::CellChange> changes) CAIRN_EXCLUDES(mutex_);
  /// Forgets a place (dictionary id): it is as if it never had an event.
  void forget(std::uint64_t place) CAIRN_EXCLUDES(mutex_);
  /// Forgets a place, and learns what `changes` say of it, in one step.
  void replace(std::uint64_t place, std::span<const state::PlaceChange> changes) CAIRN_EXCLUDES(mutex_);
  /// Recomputes the totals with the categories of `index`.
  void recategorise(const PlaceIndex& index) CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] std::size_t memory_bytes() const CAIRN_EXCLUDES(mutex_);

 private:
  struct Tables {
    std::vector<PlaceSignal> signals;        ///< by dictionary id of the place
    std::vector<std::uint32_t> category_of;  ///< by dictionary id of the place
    std::vector<CategoryTotals> categories;  ///< by dictionary id of the category
    CategoryTotals uncategorised;
    CategoryTotals all;
    std::vector<std::uint64_t> changed;                       ///< a ring of the places that changed
    std::uint64_t changes = 0;                                ///< ever
    std::vector<std::vector<features::Value>> own_of_places;  ///< by slot, then by dictionary id of the place
    std::vector<std::unordered_map<std::uint64_t, features::Value>> own_of_cells;  ///< by slot, then by cell
    std::vector<Cell> changed_cells;                                               ///< a ring
    std::uint64_t cell_changes = 0;                                                ///< ever
  };

  void add(const state::PlaceChange& change) CAIRN_REQUIRES(mutex_);
  void remove(std::uint64_t place) CAIRN_REQUIRES(mutex_);
  [[nodiscard]] CategoryTotals& totals_of(std::uint32_t category) CAIRN_REQUIRES(mutex_);
  void remember(std::uint64_t place) CAIRN_REQUIRES(mutex_);
  void add_own(const state::PlaceChange& change) CAIRN_REQUIRES(mutex_);
  void add_own(const state::CellChange& change) CAIRN_REQUIRES(mutex_);
  void remember(Cell cell) CAIRN_REQUIRES(mutex_);

  const OwnFeatures own_;
  const std::uint32_t visits_view_;
  const std::uint32_t visits_30d_view_;
  const std::uint32_t week_view_;
  const std::uint32_t tiles_view_;
  const std::uint32_t rating_view_;

  /// Held by who waits for mutex_: those who come later queue here. So readers who follow each other without a gap do
  /// not keep a writer out.
  mutable Mutex turn_;
  mutable SharedMutex mutex_;
  Tables tables_ CAIRN_GUARDED_BY(mutex_);
};

/// The signals as they stand while it lives: what it gives out is valid and unchanged until then. Signals
/// can be read only through a Reader, so they are never read without the lock. It keeps writers waiting: hold it for
/// one question, not longer, and one at a time.
class PlaceSignals::Reader {
 public:
  /// `signals` must outlive the reader.
  explicit Reader(const PlaceSignals& signals) : Reader(signals, MutexLock(signals.turn_)) {}

  [[nodiscard]] const PlaceSignal& of(std::uint64_t place) const noexcept {
    return place < tables_.signals.size() ? tables_.signals[place] : kNoSignal;
  }
  /// By dictionary id of the category. There may be fewer than there are categories: the rest has no visits.
  [[nodiscard]] std::span<const CategoryTotals> categories() const noexcept { return tables_.categories; }
  /// Of all places, those without a category included.
  [[nodiscard]] const CategoryTotals& all() const noexcept { return tables_.all; }

  /// How many changes of places there have been. What is made of signals is as of such a number.
  [[nodiscard]] std::uint64_t changes() const noexcept { return tables_.changes; }
  /// The places (dictionary ids, some more than once) that changed after the first `since` changes.
  /// Returns: nullopt when there were more than are remembered.
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> changed_after(std::uint64_t since) const;

  [[nodiscard]] const OwnFeatures& own() const noexcept { return own_; }
  /// What an own feature's view has stored of a place. Null, or a count of 0: nothing.
  [[nodiscard]] const features::Value* own_of_place(std::size_t slot, std::uint64_t place) const noexcept {
    const std::vector<features::Value>& values = tables_.own_of_places[slot];
    return place < values.size() ? &values[place] : nullptr;
  }
  /// The same of a cell, of as many letters as the view has.
  [[nodiscard]] const features::Value* own_of_cell(std::size_t slot, std::uint64_t cell) const noexcept {
    const auto found = tables_.own_of_cells[slot].find(cell);
    return found == tables_.own_of_cells[slot].end() ? nullptr : &found->second;
  }
  /// How many changes of cells there have been, and which, as of places.
  [[nodiscard]] std::uint64_t cell_changes() const noexcept { return tables_.cell_changes; }
  [[nodiscard]] std::optional<std::vector<Cell>> cells_changed_after(std::uint64_t since) const;

 private:
  Reader(const PlaceSignals& signals, const MutexLock& turn);

  const ReaderLock lock_;
  const Tables& tables_;
  const OwnFeatures& own_;
};

}  // namespace cairn::ranking
