#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "engine/ranking/own_features.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/visit_weights.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::ranking {

/// A place in the user's history, with what ranking wants to know of the visits, computed for one moment.
struct VisitedPlace {
  std::uint32_t row = gpu::kNoRow;
  std::uint64_t place = 0;  ///< dictionary id
  std::int64_t visits = 0;
  std::int64_t newest_ms = 0;
  std::int64_t oldest_ms = 0;
  double habit = 0.0;           ///< sum over the visits of exp(kernel): HabitCoefficients
  double recent = 0.0;          ///< sum of 2^(-age / 7 d)
  double same_hour = 0.0;       ///< sum of a kernel over hour of day, kind of day and age
  double same_week_hour = 0.0;  ///< sum of a kernel over hour of week
};

/// How much a user cares for each of some things: numbers by key, ascending.
class Affinities {
 public:
  using Pair = std::pair<std::uint64_t, double>;

  Affinities() = default;
  Affinities(std::initializer_list<Pair> ascending) : pairs_(ascending) {}

  void reserve(std::size_t count) { pairs_.reserve(count); }
  /// Requires: the key is larger than those there are.
  void append(std::uint64_t key, double value) { pairs_.emplace_back(key, value); }

  /// Returns: 0 for a key that is not there.
  [[nodiscard]] double of(std::uint64_t key) const noexcept {
    const auto at = find(key);
    return at == pairs_.end() ? 0.0 : at->second;
  }
  [[nodiscard]] std::optional<double> found(std::uint64_t key) const noexcept {
    const auto at = find(key);
    return at == pairs_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] bool contains(std::uint64_t key) const noexcept { return find(key) != pairs_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return pairs_.size(); }
  [[nodiscard]] auto begin() const noexcept { return pairs_.begin(); }
  [[nodiscard]] auto end() const noexcept { return pairs_.end(); }

 private:
  [[nodiscard]] std::vector<Pair>::const_iterator find(std::uint64_t key) const noexcept {
    const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), key,
                                     [](const Pair& pair, std::uint64_t wanted) { return pair.first < wanted; });
    return at != pairs_.end() && at->first == key ? at : pairs_.end();
  }

  std::vector<Pair> pairs_;
};

/// A user's row read for one question: what their history says about the moment asked for.
struct UserProfile {
  bool known = false;                         ///< the user has a row
  bool by_session = false;                    ///< categories and cells are those of places that were looked at just now
  std::vector<VisitedPlace> visited;          ///< ascending by row; those without a row (gpu::kNoRow) last
  std::vector<Visit> visits;                  ///< the history, ascending by time
  VisitWeights visit_weights;                 ///< by visit
  std::vector<std::uint32_t> place_of_visit;  ///< by visit: where in `visited` its place stands
  double recent_total = 0.0;                  ///< the sums over all visits of the fields above
  double same_hour_total = 0.0;
  double same_week_hour_total = 0.0;
  double monthly_total = 0.0;  ///< sum over all visits of 2^(-age / 30 d)
  std::optional<std::uint64_t> last_place;
  std::uint32_t last_row = gpu::kNoRow;
  std::int64_t last_ms = 0;
  double hours_since_last = 0.0;  ///< since the last visit; only with last_place
  Affinities categories;          ///< decayed affinity by category
  Affinities cells;               ///< by PlaceIndex::cell
  double cells_total = 0.0;
  Affinities interest;          ///< by place
  Affinities dismissed;         ///< by place
  std::vector<Affinities> own;  ///< by OwnFeatures::Feature::slot; empty: nothing is known of the user

  /// What an own feature's view has for a place, category or cell; nullopt: nothing.
  [[nodiscard]] std::optional<double> own_value(std::size_t slot, std::uint64_t key) const noexcept {
    return slot < own.size() ? own[slot].found(key) : std::nullopt;
  }
  /// The visited place of a row, or null.
  [[nodiscard]] const VisitedPlace* find_row(std::uint32_t row) const noexcept;
};

/// Reads `row` (null: user unknown) as of `time`. Events after `time` count as if they were at it.
[[nodiscard]] UserProfile read_user_profile(const features::Schema& schema, const features::Row* row,
                                            const PlaceIndex& index, const HabitCoefficients& kernel, EventTime time,
                                            const OwnFeatures& own = {});

/// Who has no row is known by the places (rows) of a session: each speaks for its category and its part of town, as a
/// visit of this moment would.
void read_session(std::span<const std::uint32_t> rows, const PlaceIndex& index, UserProfile* profile);

}  // namespace cairn::ranking
