#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/engine_status.h"
#include "cairn/mutex.h"
#include "cairn/place_rule.h"
#include "cairn/recommendation.h"
#include "cairn/status.h"
#include "engine/ranking/place_terms.h"
#include "engine/ranking/retrieve/place_filters.h"

namespace cairn::ranking {

/// An operator's rules for the places of one index: which of them match which rows, and what they do to them.
/// Immutable. Threads: any.
class PlaceRules {
 public:
  /// Whether rules make sense. Returns: INVALID_ARGUMENT beginning with "rule[i].key: ".
  [[nodiscard]] static Status check(const std::vector<PlaceRule>& rules);

  /// Requires: check() has nothing to say. Rules about attributes that no place has match none.
  PlaceRules(std::vector<PlaceRule> rules, const PlaceIndex& index, const PlaceFilters& filters,
             std::shared_ptr<const PlaceTerms> terms);

  /// Rules by number, a bit each.
  using Set = std::uint64_t;

  /// The rules that are in force at a time.
  [[nodiscard]] Set active_at(EventTime time) const;
  /// Those of them that add something to scores.
  [[nodiscard]] Set adding(Set active) const noexcept { return active & adding_; }

  /// What the rules add to a place's score, in the order of the rules.
  [[nodiscard]] double added(std::uint32_t row, Set active) const noexcept;

  /// The places in the order of answers: first those that are pinned, last those that are buried.
  struct Tiers {
    std::shared_ptr<const RowBits> rows[3];  ///< null: all rows are in the middle, or none is here
    bool several = false;                    ///< some place is pinned or buried
  };
  [[nodiscard]] Tiers tiers(Set active) const CAIRN_EXCLUDES(mutex_);

  /// What rules did for a place and against it, for the answer.
  void explain(std::uint32_t row, Set active, std::vector<Reason>* reasons, std::vector<Reason>* against) const;

  [[nodiscard]] const std::vector<PlaceRule>& rules() const noexcept { return rules_; }
  /// Rules that match none of the index's places, or ask for what they have not. None where there are no places.
  [[nodiscard]] const std::vector<IdleRule>& idle() const noexcept { return idle_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return matches_.size() * sizeof(Set); }

 private:
  void note_idle(const PlaceRule& rule, bool matches_any, const PlaceFilters& filters);

  const std::vector<PlaceRule> rules_;
  const std::shared_ptr<const PlaceTerms> terms_;
  std::vector<std::optional<features::OpeningHours>> times_;  ///< by rule; absent: always
  std::vector<Set> matches_;                                  ///< by row
  std::vector<IdleRule> idle_;
  Set adding_ = 0;
  Set pinning_ = 0;
  Set burying_ = 0;

  mutable Mutex mutex_;
  mutable std::map<Set, Tiers> tiers_ CAIRN_GUARDED_BY(mutex_);  ///< by the rules in force that pin or bury
};

}  // namespace cairn::ranking
