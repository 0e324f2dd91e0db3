#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/feature_view.h"
#include "cairn/interaction.h"
#include "features/decay.h"
#include "features/dictionary.h"
#include "features/feature_arena.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::features {

/// The number that a stored value stands for at the instant `as_of`: decay applied for kDecayedSum, division for kMean.
/// No age is below 0: before the newest event behind the value it is what it is at that event.
[[nodiscard]] double value_at(const View& view, const Value& value, EventTime as_of);

/// Whether the entry is still served at `as_of` under the view's TTL (the one TTL rule, for every tier).
[[nodiscard]] bool within_ttl(const View& view, const Value& value, EventTime as_of) noexcept;

/// What dimensions are called, for people: dictionary id to place id or category, geohash bits to letters, and so on.
struct DimensionNames {
  const Dictionary& places;
  const Dictionary& categories;
  const InteractionTypes& types;
};

/// The name of one value. One that has to be made is written to `*made`. The result lives until that is changed, and as
/// long as `names`.
[[nodiscard]] std::string_view dimension_name(const DimensionNames& names, const View& view, std::uint64_t dimension,
                                              std::string* made);

/// What becomes of events that lie after the instant that is read at.
enum class LaterEvents : std::uint8_t {
  kCount,    ///< the instant is the clock's, and some clock is ahead of it: they count with age 0
  kUnknown,  ///< the instant was asked for: what they have changed is not known as of then
};

/// Reads one view of entities as it is served at one instant.
///
/// With kUnknown: entries that later events alone have made are left out, because there was nothing of them then; so a
/// sequence, and a count by hour, are those of the instant, of what max_entries has kept. An entry that has events on
/// both sides of the instant cannot be taken apart: it is left out too, and the status is kNewerThanAsOf. So is that of
/// a view of which only later events are known.
///
/// Entries and their texts are in `arena`, or in memory that it keeps; it lives as long as any of them.
///
/// Threads: one.
class ViewReader {
 public:
  /// `view`, and what `names` refers to, must outlive it.
  ViewReader(const View& view, EventTime as_of, LaterEvents later, const DimensionNames& names,
             std::shared_ptr<FeatureArena> arena);

  /// `row` null: the entity is unknown.
  [[nodiscard]] FeatureVector read(const Row* row) const;

  [[nodiscard]] const View& view() const noexcept { return view_; }

 private:
  template <class With>
  auto with_values(const With& with) const;
  template <class With>
  auto with_names(const With& with) const;

  const View& view_;
  const EventTime as_of_;
  const LaterEvents later_;
  const DimensionNames names_;
  const std::shared_ptr<FeatureArena> arena_;
  const ValuesAt decays_;  ///< of kDecayedSum, at `as_of`
};

/// The name of a dimension value that can be told without a dictionary: empty for none, the letters of a cell, the
/// number of an hour of the week, an hour in RFC 3339 (beyond year 9999, which RFC 3339 cannot spell, the number of
/// hours since 1970). Returns: nullopt for place, category and type.
[[nodiscard]] std::optional<std::string> plain_dimension_name(const View& view, std::uint64_t dimension);

}  // namespace cairn::features
