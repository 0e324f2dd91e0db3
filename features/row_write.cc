#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <limits>
#include <span>
#include <string>

#include "cairn/check.h"
#include "features/checksum.h"
#include "features/row_columns.h"
#include "features/row_raw.h"
#include "features/value.h"

// format.md describes these bytes.

namespace cairn::features {
namespace {

// The most that a row's fields take, a block's beside its entries, and an entry's.
constexpr std::size_t kRowBytesMax = 32;
constexpr std::size_t kBlockBytesMax = 96;
constexpr std::size_t kEntryBytesMax = 64;

template <class Number>
std::uint64_t ored(std::size_t n, Number number) noexcept {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < n; ++i) all |= number(i);
  return all;
}

// A column of numbers as a width and packed numbers; a single number as a varint.
template <class Number>
void put_column(std::size_t n, Number number, Pen* out) noexcept {
  if (n == 1) return out->varint(number(0));
  const unsigned width = width_of(ored(n, number), 1);
  out->byte(width);
  out->packed(width, n, number);
}

// By constants, which the compiler turns into multiplications: dividing costs more than all else here.
template <const std::int64_t (&kUnits)[4]>
bool divides(unsigned unit, std::int64_t v) noexcept {
  switch (unit) {
    case 1:
      return v % kUnits[1] == 0;
    case 2:
      return v % kUnits[2] == 0;
    case 3:
      return v % kUnits[3] == 0;
    default:
      return true;
  }
}

// Index of the largest unit that divides every number.
template <const std::int64_t (&kUnits)[4], class Numbers, class Number>
unsigned common_unit(const Numbers& numbers, Number number) noexcept {
  unsigned unit = 3;
  for (const auto& each : numbers) {
    while (!divides<kUnits>(unit, number(each))) --unit;
    if (unit == 0) break;
  }
  return unit;
}

template <const std::int64_t (&kUnits)[4], class Integer>
Integer divided(Integer v, unsigned unit) noexcept {
  switch (unit) {
    case 1:
      return v / static_cast<Integer>(kUnits[1]);
    case 2:
      return v / static_cast<Integer>(kUnits[2]);
    case 3:
      return v / static_cast<Integer>(kUnits[3]);
    default:
      return v;
  }
}

std::uint64_t in_units(std::uint64_t ms, unsigned unit) noexcept { return divided<kTimeUnits>(ms, unit); }

std::int64_t newest_of(Aggregate aggregate, std::span<const RawEntry> entries) noexcept {
  if (aggregate == Aggregate::kSequence) return entries.back().value.newest_ms;
  std::int64_t newest = entries.front().value.newest_ms;
  for (const RawEntry& entry : entries) newest = std::max(newest, entry.value.newest_ms);
  return newest;
}

void put_duration(std::int64_t ms, Pen* out) noexcept {
  unsigned unit = 3;
  while (ms % kDurationUnits[unit] != 0) --unit;
  out->varint(static_cast<std::uint64_t>(ms / kDurationUnits[unit]) * std::size(kDurationUnits) + unit);
}

void put_head(const RawBlock& block, std::uint64_t view_min, Pen* out) {
  CAIRN_CHECK_MSG(block.view >= view_min, std::to_string(block.view));
  unsigned first = static_cast<unsigned>(block.aggregate);
  if (block.view != view_min) first |= kHasGap;
  if (block.max_entries != kUsualMaxEntries) first |= kHasMaxEntries;
  if (block.ttl_ms != 0) first |= kHasTtl;
  if (block.half_life_ms != 0) first |= kHasHalfLife;
  out->byte(first);
  if (block.view != view_min) out->varint(block.view - view_min);
  if (block.max_entries != kUsualMaxEntries) out->varint(block.max_entries);
  if (block.ttl_ms != 0) put_duration(block.ttl_ms, out);
  if (block.half_life_ms != 0) put_duration(block.half_life_ms, out);
}

void put_dimensions(Aggregate aggregate, std::span<const RawEntry> entries, Pen* out) noexcept {
  const auto dimension = [&](std::size_t i) { return entries[i].dimension; };
  if (aggregate != Aggregate::kSequence) {
    // Dimensions ascend and are distinct, so the next one is the last one's successor at least.
    out->varint(entries.front().dimension);
    out->varints(entries.size() - 1, [&](std::size_t i) { return dimension(i + 1) - dimension(i) - 1; });
  } else if (entries.size() < kPackedEntriesMin) {
    out->varints(entries.size(), dimension);
  } else {
    put_column(entries.size(), dimension, out);
  }
}

template <class Number>
void put_time_column(bool packed, std::size_t n, Number number, Pen* out) noexcept {
  if (!packed) return out->varints(n, number);
  const unsigned width = width_of(ored(n, number), kTimeWidthMin);
  out->byte(width);
  out->packed(width, n, number);
}

void put_times(bool ascend, unsigned unit, std::int64_t newest, std::span<const RawEntry> entries, Pen* out) noexcept {
  const bool packed = entries.size() >= kPackedEntriesMin;
  if (ascend) {
    const auto step = [&](std::size_t i) {
      return in_units(difference(entries[i + 1].value.newest_ms, entries[i].value.newest_ms), unit);
    };
    put_time_column(packed, entries.size() - 1, step, out);
  } else {
    const auto age = [&](std::size_t i) { return in_units(difference(newest, entries[i].value.newest_ms), unit); };
    put_time_column(packed, entries.size(), age, out);
  }
}

std::uint64_t scaled(std::int64_t micros, unsigned scale) noexcept { return zigzag(divided<kScales>(micros, scale)); }

bool normal(const RawEntry& entry) noexcept {
  return (std::bit_cast<std::uint64_t>(entry.value.mantissa) & kExponentMask) == kNormalExponent;
}

// A column of the entries that `which` names.
template <class Number>
void put_form_column(std::span<const RawEntry> entries, std::span<const std::uint32_t> which, Number number,
                     Pen* out) noexcept {
  put_column(
      which.size(), [&](std::size_t i) { return number(entries[which[i]].value); }, out);
}

void put_singles(std::span<const RawEntry> entries, std::span<const std::uint32_t> which, unsigned scale,
                 Pen* out) noexcept {
  put_form_column(
      entries, which, [=](const Value& v) { return scaled(v.micros, scale); }, out);
}

void put_others(std::span<const RawEntry> entries, std::span<const std::uint32_t> which, bool whole, std::int64_t usual,
                Pen* out) noexcept {
  const auto exponent = [=](const Value& v) {
    return zigzag(static_cast<std::int64_t>(difference(v.exponent, usual)));
  };
  put_form_column(entries, which, exponent, out);
  out->packed(whole ? 64 : kMantissaBits, which.size(), [&](std::size_t i) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(entries[which[i]].value.mantissa);
    return whole ? bits : (bits >> 63 << 52) | (bits & low_bits(52));
  });
}

void put_sums(std::span<const RawEntry> entries, std::int64_t usual, Pen* out) {
  const Forms forms(entries);
  const std::span<const std::uint32_t> singles = forms.singles();
  const std::span<const std::uint32_t> others = forms.others();
  const bool all_one = !singles.empty() && std::all_of(singles.begin(), singles.end(), [&](std::uint32_t i) {
    return entries[i].value.micros == kOneInMicros;
  });
  const bool whole = !std::all_of(others.begin(), others.end(), [&](std::uint32_t i) { return normal(entries[i]); });
  const bool scales = !singles.empty() && !all_one;
  const unsigned scale =
      scales ? common_unit<kScales>(singles, [&](std::uint32_t i) { return entries[i].value.micros; }) : 0;
  out->byte(scale | (others.empty() ? kAllSingle : 0) | (singles.empty() ? kNoSingle : 0) |
            (all_one ? kSinglesOne : 0) | (whole ? kMantissasWhole : 0));
  if (!singles.empty() && !others.empty()) {
    out->packed(1, entries.size(), [&](std::size_t i) { return std::uint64_t{entries[i].single}; });
  }
  if (scales) put_singles(entries, singles, scale, out);
  if (!others.empty()) put_others(entries, others, whole, usual, out);
}

// What the first byte of a body says of the values.
struct Values {
  bool counts_one = true;
  bool plain = true;
  unsigned scale = 0;
};

Values values_of(const RawBlock& block, std::span<const RawEntry> entries) noexcept {
  Values values;
  const bool decays = block.aggregate == Aggregate::kDecayedSum;
  const bool weighs = block.aggregate != Aggregate::kCount;
  for (const RawEntry& entry : entries) {
    values.counts_one &= entry.value.count == 1;
    if (weighs) values.plain &= entry.value.micros == kOneInMicros && (!decays || entry.single);
  }
  if (keeps_micros(block.aggregate) && !values.plain) {
    values.scale = common_unit<kScales>(entries, [](const RawEntry& e) { return e.value.micros; });
  }
  return values;
}

void put_encoded_body(const RawBlock& block, unsigned unit, std::int64_t row_newest, Pen* out) noexcept {
  const bool newest = block.newest_ms == row_newest;
  out->byte((block.flags & ~kNewestOfRow) | (newest ? kNewestOfRow : 0));
  if (block.encoded_size > 1) out->varint(block.encoded_size);
  if (!newest) out->varint(in_units(difference(row_newest, block.newest_ms), unit));
  out->bytes(block.columns);
}

void put_body(const RawBlock& block, std::span<const RawEntry> entries, unsigned unit, std::int64_t row_newest,
              Pen* out) noexcept {
  if (block.encoded_size > 0) return put_encoded_body(block, unit, row_newest, out);
  if (entries.empty()) {
    out->byte(0);
    return out->varint(0);
  }
  const std::int64_t newest = newest_of(block.aggregate, entries);
  const Dimensions dimensions = dimensions_of(block.aggregate, entries);
  const Values values = values_of(block, entries);
  out->byte((entries.size() == 1 ? kOneEntry : 0) | (newest == row_newest ? kNewestOfRow : 0) |
            (values.counts_one ? kCountsOne : 0) | (values.plain ? kPlain : 0) |
            static_cast<unsigned>(dimensions) << kDimensionShift | values.scale << kScaleShift);
  if (entries.size() > 1) out->varint(entries.size());
  if (newest != row_newest) out->varint(in_units(difference(row_newest, newest), unit));
  if (dimensions == Dimensions::kWritten) put_dimensions(block.aggregate, entries, out);
  if (entries.size() > 1) put_times(times_ascend(block.aggregate, dimensions), unit, newest, entries, out);
  if (!values.counts_one) {
    put_column(
        entries.size(), [&](std::size_t i) { return difference(entries[i].value.count, 1); }, out);
  }
  if (values.plain) return;
  if (block.aggregate == Aggregate::kDecayedSum) {
    put_sums(entries, usual_exponent(block.half_life_ms, newest), out);
  } else {
    put_column(
        entries.size(), [&](std::size_t i) { return scaled(entries[i].value.micros, values.scale); }, out);
  }
}

char* put_row(const RawRow& row, char* to) {
  Pen out(to);
  const unsigned unit = time_unit(row);
  out.byte(kRowVersion);
  out.varint(row.blocks.size() * std::size(kTimeUnits) + (row.entries.empty() ? 0 : unit));
  std::uint64_t view_min = 0;
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();
  for (const RawBlock& block : row.blocks) {
    const std::span<const RawEntry> entries = row.of(block);
    put_head(block, view_min, &out);
    view_min = std::uint64_t{block.view} + 1;
    if (block.encoded_size > 0) newest = std::max(newest, block.newest_ms);
    if (!entries.empty()) newest = std::max(newest, newest_of(block.aggregate, entries));
  }
  if (row.blocks.empty()) return out.at();
  out.signed_varint(row.entries.empty() ? 0 : divided<kTimeUnits>(newest, unit));
  for (const RawBlock& block : row.blocks) put_body(block, row.of(block), unit, newest, &out);
  return out.at();
}

}  // namespace

unsigned time_unit(const RawRow& row) noexcept {
  return common_unit<kTimeUnits>(row.entries, [](const RawEntry& entry) { return entry.value.newest_ms; });
}

void write_raw(const RawRow& row, std::string* bytes) {
  std::size_t encoded = 0;
  for (const RawBlock& block : row.blocks) encoded += block.columns.size();
  const std::size_t bytes_max = kRowBytesMax + encoded + row.blocks.size() * kBlockBytesMax +
                                row.entries.size() * kEntryBytesMax + kTrailerBytes + kPenSlack;
  // Zeroing as much as a row could take would cost more than writing what it does take, so the memory is kept.
  constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;
  thread_local std::string kept;
  std::string large;
  std::string& memory = bytes_max > kKeptBytesMax ? large : kept;
  if (memory.size() < bytes_max) memory.resize(bytes_max);
  const auto body = static_cast<std::size_t>(put_row(row, memory.data()) - memory.data());
  const std::uint64_t crc = little_endian(crc32c(std::string_view(memory.data(), body)));
  std::memcpy(memory.data() + body, &crc, kTrailerBytes);
  bytes->assign(memory.data(), body + kTrailerBytes);
}

}  // namespace cairn::features
