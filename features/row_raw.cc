#include "features/row_raw.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "features/calendar.h"
#include "features/decay.h"

namespace cairn::features {
namespace {

bool same_bits(const Value& value, const DecayedSum& sum) noexcept {
  return std::bit_cast<std::uint64_t>(value.mantissa) == std::bit_cast<std::uint64_t>(sum.mantissa) &&
         value.exponent == sum.exponent;
}

DecayedSum single_sum(std::int64_t micros, DecayedSum one) noexcept {
  // Both are exact as doubles, so the quotient of 200,000 and a million is the double nearest to 0.2.
  return decayed_like(one, static_cast<double>(micros) / kMicrosPerUnit);
}

// The sum of one event of weight 1. A user's visit counts in several views of one half-life, one after the other.
DecayedSum sum_of_one(std::int64_t newest_ms, std::int64_t half_life_ms) noexcept {
  struct Last {
    std::int64_t newest_ms = 0;
    std::int64_t half_life_ms = 0;  // never asked for
    DecayedSum sum;
  };
  thread_local Last last;
  if (last.newest_ms != newest_ms || last.half_life_ms != half_life_ms) {
    last = {newest_ms, half_life_ms, decayed(1.0, decay_time(newest_ms, half_life_ms))};
  }
  return last.sum;
}

void fold(std::int64_t micros, RawEntry* entry) noexcept {
  entry->value.micros = micros;
  entry->value.mantissa = 0.0;
  entry->value.exponent = 0;
  entry->single = true;
}

}  // namespace

Scratch::Scratch() noexcept {
  thread_local RawRow rows[kRows];
  rows_ = rows;
}

Scratch::~Scratch() {
  // The usual largest row, a user's history and what he looked at, fits several times.
  constexpr std::size_t kKeptEntriesMax = 8'192;
  for (std::size_t i = 0; i < kRows; ++i) {
    rows_[i].clear();
    if (rows_[i].entries.capacity() > kKeptEntriesMax) rows_[i] = RawRow();
  }
}

Forms::Forms(std::span<const RawEntry> entries) : singles_max_(entries.size()) {
  constexpr std::size_t kKeptMax = 8'192;
  thread_local std::vector<std::uint32_t> kept;
  std::vector<std::uint32_t>& memory = entries.size() > kKeptMax ? large_ : kept;
  memory.resize(2 * entries.size());
  list_ = memory.data();
  // Without a branch: which form the next entry has cannot be foretold. The place behind the last one is written too.
  for (std::size_t i = 0; i < entries.size(); ++i) {
    list_[singles_] = static_cast<std::uint32_t>(i);
    list_[singles_max_ + others_] = static_cast<std::uint32_t>(i);
    singles_ += entries[i].single ? 1 : 0;
    others_ += entries[i].single ? 0 : 1;
  }
}

void settle(std::int64_t half_life_ms, RawEntry* entry) noexcept {
  Value& value = entry->value;
  if (entry->single || value.count != 1 || half_life_ms == 0) return;
  const DecayedSum one = sum_of_one(value.newest_ms, half_life_ms);
  // Most events weigh 1.
  if (same_bits(value, one)) return fold(kOneInMicros, entry);
  constexpr std::int64_t kDoublingsMax = 64;  // a weight beyond them is none that could be written
  const std::uint64_t doublings = difference(value.exponent, one.exponent) + kDoublingsMax;
  if (value.mantissa != 0.0 && doublings > 2 * kDoublingsMax) return;
  const double micros = value.mantissa == 0.0 ? 0.0
                                              : std::ldexp(value.mantissa / one.mantissa * kMicrosPerUnit,
                                                           static_cast<int>(doublings) - kDoublingsMax);
  // Off by few parts in 2^53, so rounding finds the weight if there is one.
  if (!(std::abs(micros) < static_cast<double>(kSingleMicrosMax))) return;
  const std::int64_t weight = std::llround(micros);
  if (std::abs(weight) < kSingleMicrosMax && same_bits(value, single_sum(weight, one))) fold(weight, entry);
}

void unfold(std::int64_t half_life_ms, RawEntry* entry) noexcept {
  if (!entry->single) return;
  const DecayedSum sum = single_sum(entry->value.micros, sum_of_one(entry->value.newest_ms, half_life_ms));
  entry->value.micros = 0;
  entry->value.mantissa = sum.mantissa;
  entry->value.exponent = sum.exponent;
  entry->single = false;
}

bool is_hour(const Entry& entry) noexcept {
  const std::int64_t hour = hour_tile(event_time_from_ms(entry.value.newest_ms));
  return hour >= 0 && static_cast<std::uint64_t>(hour) == entry.dimension;
}

bool is_hour_of_week(const Entry& entry) noexcept {
  constexpr std::uint64_t kHours = 168;
  return entry.dimension < kHours &&
         static_cast<std::uint64_t>(hour_of_week(event_time_from_ms(entry.value.newest_ms))) == entry.dimension;
}

Dimensions dimensions_of(Aggregate aggregate, std::span<const RawEntry> entries) noexcept {
  if (entries.size() == 1 && entries.front().dimension == 0) return Dimensions::kZero;
  if (aggregate == Aggregate::kSequence) return Dimensions::kWritten;
  // One entry that does not fit is enough, and it is nearly always the first.
  if (std::all_of(entries.begin(), entries.end(), is_hour)) return Dimensions::kHour;
  if (std::all_of(entries.begin(), entries.end(), is_hour_of_week)) return Dimensions::kHourOfWeek;
  return Dimensions::kWritten;
}

std::int64_t usual_exponent(std::int64_t half_life_ms, std::int64_t newest_ms) noexcept {
  return half_life_ms == 0 ? 0 : decay_time(newest_ms, half_life_ms).half_lives;
}

}  // namespace cairn::features
