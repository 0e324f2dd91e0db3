#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/ranking/place_terms.h"
#include "engine/ranking/retrieve/place_index.h"
#include "features/condition.h"
#include "features/opening_hours.h"

namespace cairn::ranking {

/// Turns conditions and opening hours into bitmaps over the rows of one index. What was asked lately is kept as it was
/// found, so that a question that is asked again costs a look-up. Threads: any.
class PlaceFilters {
 public:
  /// Opening hours are read here, each distinct text once. Keeps both.
  PlaceFilters(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const PlaceTerms> terms);

  using Bits = std::shared_ptr<const RowBits>;

  /// The rows for which a condition holds.
  /// Returns: INVALID_ARGUMENT for a text that is none, for an attribute that no place has and nothing declares, with
  /// what may have been meant, and for a value of a kind that the attribute has nowhere.
  [[nodiscard]] Result<Bits> where(std::string_view condition) const CAIRN_EXCLUDES(mutex_);
  /// The same of a condition that names what may not be there yet: no place has it then.
  [[nodiscard]] RowBits matching(const features::Condition& condition) const;
  /// Whether where() takes the condition. Returns: INVALID_ARGUMENT as where() does.
  [[nodiscard]] Status check(const features::Condition& condition) const;

  /// The rows of places that are open at `time`; with `unknown` also those of which it is not known.
  /// Returns: FAILED_PRECONDITION where no attribute is declared as hours.
  [[nodiscard]] Result<Bits> open_at(EventTime time, bool unknown) const CAIRN_EXCLUDES(mutex_);

  /// Places whose hours cannot be read.
  [[nodiscard]] std::uint64_t unreadable_hours() const noexcept { return unreadable_hours_; }
  [[nodiscard]] std::size_t memory_bytes() const CAIRN_EXCLUDES(mutex_);

 private:
  /// Places with the same hours on the same clock.
  struct Schedule {
    std::size_t hours = 0;  ///< of hours_
    std::size_t clock = 0;  ///< of clocks_
    std::vector<std::uint32_t> rows = {};
  };
  void read_hours();
  [[nodiscard]] std::vector<std::size_t> clock_of_rows();
  [[nodiscard]] Status check(const features::AttributeTest& test) const;
  [[nodiscard]] Status unknown_name(const std::string& name) const;
  [[nodiscard]] features::AttributeTest conformed(features::AttributeTest test) const;
  /// What is kept under `key`, or else what `make` makes, which is kept.
  template <class Make>
  [[nodiscard]] Result<Bits> kept(const std::string& key, Make make) const CAIRN_EXCLUDES(mutex_);

  // Fixed after construction.
  const std::shared_ptr<const PlaceIndex> index_;
  const std::shared_ptr<const PlaceTerms> terms_;
  std::vector<features::OpeningHours> hours_;
  std::vector<LocalClock> clocks_;  ///< the deployment's first
  std::vector<Schedule> schedules_;
  RowBits hours_known_;
  std::uint64_t unreadable_hours_ = 0;

  struct Kept {
    Bits bits;
    std::uint64_t used = 0;
  };
  mutable Mutex mutex_;
  mutable std::unordered_map<std::string, Kept> kept_ CAIRN_GUARDED_BY(mutex_);
  mutable std::uint64_t uses_ CAIRN_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::ranking
