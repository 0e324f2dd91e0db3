#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/clock.h"

namespace cairn {

/// What a row of features describes.
enum class EntityKind : std::uint8_t {
  kUser = 1,   ///< key: the user's id
  kPlace = 2,  ///< key: the place's id
  kCell = 3,   ///< key: a geohash, of the view's `cell_precision` letters
};

/// What the values of a view are spread over. Each distinct dimension value of an entity is one sparse entry.
enum class Dimension : std::uint8_t {
  kNone = 0,      ///< a single value per entity
  kPlace = 1,     ///< the place's id
  kCategory = 2,  ///< the place's category in the catalogue when the event is applied, or when the place comes later
  kCell = 3,  ///< geohash of the place (of the event where the place is unknown); nothing until one of them is known
  kHourOfWeek = 4,  ///< 0 (Monday 00:00 UTC) to 167
  kType = 5,        ///< the interaction's type
  kHour = 6,        ///< whole hours since the epoch: a tile, windows are sums of tiles
};

/// How events become one value. Every one is a commutative monoid: order and batching do not change the result.
enum class Aggregate : std::uint8_t {
  kCount = 1,       ///< number of events
  kSum = 2,         ///< sum of weights, in fixed point of 1e-6, exact
  kMean = 3,        ///< sum / count
  kMin = 4,         ///< smallest weight
  kMax = 5,         ///< largest weight
  kLast = 6,        ///< weight of the newest event by event time; among equals the largest
  kDecayedSum = 7,  ///< sum of weight * 2^-((now - event time) / half_life); forward decay (Cormode et al., ICDE 2009)
  kSequence = 8,    ///< the newest `max_entries` events themselves, as (event time, dimension, weight)
};

/// How much an event of one type counts in a view.
struct EventWeight {
  std::string type;              ///< an interaction type
  std::string expression = "1";  ///< arithmetic over the event's `value`: `1`, `value - 2.5`, `min(value / 600, 3)`
};

/// The declaration of one set of features. In TOML:
///
///     [[feature_view]]
///     name = "user_place_affinity"
///     entity = "user"
///     dimension = "place"
///     aggregate = "decayed_sum"
///     half_life = "30d"
///     ttl = "365d"
///     max_entries = 512
///     events = { visit = "1", save = "3", rate = "value - 2.5" }
struct FeatureViewSpec {
  std::string name;  ///< [a-z][a-z0-9_]{0,62}, unique
  EntityKind entity = EntityKind::kUser;
  Dimension dimension = Dimension::kNone;
  Aggregate aggregate = Aggregate::kCount;
  std::chrono::seconds half_life{0};  ///< decayed_sum only, and there > 0
  std::chrono::seconds ttl{0};       ///< an entry older than this (by its newest event) is not served; 0: never expires
  std::uint32_t max_entries = 1024;  ///< bound on entries per entity; the ones with the newest events stay
  int cell_precision = 6;            ///< letters of the geohash where entity or dimension is a cell: 1 to 12
  std::vector<EventWeight> events;   ///< which types count and how much; empty: every type with weight 1
  /// Types that `events` does not name count here as the ones that they count as (DecodeOptions::counts_as). So do the
  /// built-in views. It is no part of what a stored value means: when it changes, values stay as they were counted.
  bool counts_as = false;
};

/// How a value stands towards the question (Feast's names, and one of ours).
enum class FeatureStatus : std::uint8_t {
  kPresent,        ///< value is usable
  kNullValue,      ///< the entity exists, this view has no value for it
  kNotFound,       ///< nothing is known of the entity
  kOutsideMaxAge,  ///< there was a value, its newest event is older than the TTL
  kInvalid,        ///< what is stored of the entity is damaged and cannot be read
  kNewerThanAsOf,  ///< of what is known, all or a part came after the instant asked for, and is not known as of then
};

[[nodiscard]] constexpr std::string_view to_string(FeatureStatus status) noexcept {
  constexpr std::string_view kNames[] = {"PRESENT",         "NULL_VALUE", "NOT_FOUND",
                                         "OUTSIDE_MAX_AGE", "INVALID",    "NEWER_THAN_AS_OF"};
  return kNames[static_cast<std::size_t>(status)];
}

/// One sparse entry as served.
struct FeatureEntry {
  /// A place id, a category, a geohash, "0".."167", a type, RFC 3339 hour; empty for kNone. Lives as long as a
  /// FeatureEntries that has it.
  std::string_view dimension = {};
  double value = 0.0;      ///< by the view's aggregate; for kSequence the event's weight
  std::int64_t count = 0;  ///< events behind the value
  EventTime newest;        ///< event time of the newest of them
};

/// Entries that do not change, with the memory of their texts. Copies share it. Threads: any.
class FeatureEntries {
 public:
  FeatureEntries() = default;
  /// Copies of these.
  FeatureEntries(std::initializer_list<FeatureEntry> entries);
  /// `memory` is what keeps `entries` and their texts.
  FeatureEntries(std::shared_ptr<const void> memory, std::span<const FeatureEntry> entries)
      : memory_(std::move(memory)), entries_(entries) {}

  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] const FeatureEntry& operator[](std::size_t i) const noexcept { return entries_[i]; }
  /// Throws std::out_of_range.
  [[nodiscard]] const FeatureEntry& at(std::size_t i) const {
    if (i >= size()) throw std::out_of_range("an entry that there is not");
    return entries_[i];
  }
  [[nodiscard]] const FeatureEntry& front() const noexcept { return entries_.front(); }
  [[nodiscard]] const FeatureEntry& back() const noexcept { return entries_.back(); }

 private:
  std::shared_ptr<const void> memory_;
  std::span<const FeatureEntry> entries_;
};

inline FeatureEntries::FeatureEntries(std::initializer_list<FeatureEntry> entries) {
  struct Copies {
    std::vector<FeatureEntry> entries;
    std::vector<std::string> texts;
  };
  auto copies = std::make_shared<Copies>();
  copies->entries = entries;
  copies->texts.reserve(entries.size());
  for (FeatureEntry& entry : copies->entries) entry.dimension = copies->texts.emplace_back(entry.dimension);
  entries_ = copies->entries;
  memory_ = std::move(copies);
}

/// All that one view knows of one entity.
struct FeatureVector {
  std::string view;
  FeatureStatus status = FeatureStatus::kNotFound;
  /// Empty unless the status is kPresent, or kNewerThanAsOf: then those that have not changed since. kSequence: oldest
  /// first; else by dimension.
  FeatureEntries entries;
};

}  // namespace cairn
