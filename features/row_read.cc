#include "features/row_read.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>

#include "features/value.h"

// format.md's row and heads, and the bodies as far as their columns. Every spelling but the writer's is refused.

namespace cairn::features {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kBlockBytesMin = 2;  // the first bytes of head and body

// ---- heads --------------------------------------------------------------------------------------------------------

Problem read_duration(Cursor* in, std::int64_t* ms) noexcept {
  constexpr std::size_t kUnits = std::size(kDurationUnits);
  const std::uint64_t coded = in->varint();
  const std::uint64_t number = coded / kUnits;
  const std::size_t unit = coded % kUnits;
  if (number == 0 || number > static_cast<std::uint64_t>(kBlockDurationMaxMs / kDurationUnits[unit])) {
    return "a duration is out of range";
  }
  *ms = static_cast<std::int64_t>(number) * kDurationUnits[unit];
  for (std::size_t larger = unit + 1; larger < kUnits; ++larger) {
    if (*ms % kDurationUnits[larger] == 0) return "a duration has a larger unit";
  }
  return nullptr;
}

Problem read_view(unsigned first, std::uint64_t view_min, Cursor* in, RawBlock* block) noexcept {
  constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  std::uint64_t gap = 0;
  if ((first & kHasGap) != 0) {
    gap = in->varint();
    if (gap == 0) return "a view id is spelled longer than it need be";
  }
  if (gap > kMax32 || view_min + gap > kMax32) return "a view id exceeds 32 bits";
  block->view = static_cast<std::uint32_t>(view_min + gap);
  block->aggregate = static_cast<Aggregate>(first & kAggregateMask);
  if (!known(block->aggregate)) return "an aggregate is unknown";
  block->max_entries = kUsualMaxEntries;
  if ((first & kHasMaxEntries) != 0) {
    const std::uint64_t max_entries = in->varint();
    if (max_entries > kMax32) return "max_entries exceeds 32 bits";
    if (max_entries == kUsualMaxEntries) return "max_entries is spelled longer than it need be";
    block->max_entries = static_cast<std::uint32_t>(max_entries);
  }
  return nullptr;
}

Problem read_head(std::uint64_t view_min, Cursor* in, RawBlock* block) noexcept {
  const unsigned first = in->byte();
  if (const Problem problem = read_view(first, view_min, in, block)) return problem;
  if ((first & kHasTtl) != 0) {
    if (const Problem problem = read_duration(in, &block->ttl_ms)) return problem;
  }
  if ((first & kHasHalfLife) != 0) {
    if (block->aggregate != Aggregate::kDecayedSum) return "a half-life without decayed sums";
    if (const Problem problem = read_duration(in, &block->half_life_ms)) return problem;
  }
  return nullptr;
}

// ---- rows ---------------------------------------------------------------------------------------------------------

// How many entries a body has. Before memory is taken for them: damaged bytes must not decide how much.
Problem read_size(unsigned flags, Cursor* in, std::size_t* size) noexcept {
  *size = 1;
  if ((flags & kOneEntry) != 0) return nullptr;
  const std::uint64_t coded = in->varint();
  if (coded == 1 || (coded == 0 && flags != 0)) return "a number of entries is spelled longer than it need be";
  if (coded > in->left() + 1 || coded > std::numeric_limits<std::uint32_t>::max()) {
    return "more entries than bytes for them";
  }
  *size = coded;
  return nullptr;
}

// What the row says of its times.
struct Times {
  unsigned unit = 0;
  std::int64_t newest_ms = 0;
  bool newest_seen = false;
};

Problem read_newest_of_block(unsigned flags, const Times& times, Cursor* in, std::int64_t* newest_ms) noexcept {
  *newest_ms = times.newest_ms;
  if ((flags & kNewestOfRow) != 0) return nullptr;
  const auto unit_ms = static_cast<std::uint64_t>(kTimeUnits[times.unit]);
  const std::uint64_t age = in->varint();
  if (age > difference(times.newest_ms, kMin) / unit_ms) return "an event time exceeds 64 bits";
  if (age == 0) return "the block's newest event time is spelled longer than it need be";
  *newest_ms = back(times.newest_ms, age * unit_ms);
  return nullptr;
}

Problem decode_body(unsigned flags, std::int64_t newest_ms, const Times& times, RawBlock* block, Cursor* in,
                    RawRow* row) {
  row->entries.resize(block->end);
  const Body body{.entries = row->of(*block),
                  .aggregate = block->aggregate,
                  .half_life_ms = block->half_life_ms,
                  .newest_ms = newest_ms,
                  .unit_ms = static_cast<std::uint64_t>(kTimeUnits[times.unit]),
                  .flags = flags,
                  .dimensions = static_cast<Dimensions>(flags >> kDimensionShift & 3u)};
  return read_columns(body, in);
}

void leave_encoded(unsigned flags, std::int64_t newest_ms, RawBlock* block, Cursor* in) noexcept {
  block->encoded_size = block->size();
  block->end = block->begin;
  block->flags = flags;
  block->newest_ms = newest_ms;
  const Cursor before = *in;
  skip_columns(*block, in);
  if (in->ok()) block->columns = in->since(before);
}

// Whether a merge with `delta` leaves the block as it is.
bool untouched(const RawRow* delta, const RawBlock& block) noexcept {
  if (delta == nullptr || (block.max_entries != 0 && block.size() > block.max_entries)) return false;
  return std::none_of(delta->blocks.begin(), delta->blocks.end(),
                      [&](const RawBlock& other) { return other.view == block.view; });
}

Problem read_body(const RawRow* delta, RawBlock* block, Times* times, Cursor* in, RawRow* row) {
  const unsigned flags = in->byte();
  std::size_t size = 0;
  if (const Problem problem = read_size(flags, in, &size)) return problem;
  block->begin = row->entries.size();
  block->end = block->begin + size;
  if (size == 0) return nullptr;
  times->newest_seen |= (flags & kNewestOfRow) != 0;
  std::int64_t newest_ms = 0;
  if (const Problem problem = read_newest_of_block(flags, *times, in, &newest_ms)) return problem;
  Problem problem = nullptr;
  if (untouched(delta, *block)) {
    leave_encoded(flags, newest_ms, block, in);
  } else {
    problem = decode_body(flags, newest_ms, *times, block, in, row);
  }
  // The cursor gives zeros once it has failed, so asking once is enough.
  return in->ok() ? problem : "cut off, or a number is not in its shortest form";
}

Problem read_newest(Cursor* in, Times* times) noexcept {
  const std::int64_t unit = kTimeUnits[times->unit];
  const std::int64_t newest = in->signed_varint();
  if (newest > kMax / unit || newest < kMin / unit) return "an event time exceeds 64 bits";
  times->newest_ms = newest * unit;
  return nullptr;
}

Problem check_times(const Times& times, const RawRow& row) noexcept {
  if (row.entries.empty())
    return times.unit != 0 || times.newest_ms != 0 ? "a row without entries has a time" : nullptr;
  if (!times.newest_seen) return "no block has the row's newest event time";
  if (times.unit + 1 == std::size(kTimeUnits)) return nullptr;
  const std::int64_t larger = kTimeUnits[times.unit + 1];
  const auto fits = [=](const RawEntry& entry) { return entry.value.newest_ms % larger == 0; };
  return std::all_of(row.entries.begin(), row.entries.end(), fits) ? "times have a larger unit" : nullptr;
}

Problem read_blocks(const RawRow* delta, Cursor* in, RawRow* row) {
  const std::uint64_t coded = in->varint();
  const std::uint64_t blocks = coded / std::size(kTimeUnits);
  Times times{.unit = static_cast<unsigned>(coded % std::size(kTimeUnits))};
  if (blocks > in->left() / kBlockBytesMin) return "more views than bytes for them";
  if (blocks == 0) return times.unit != 0 ? "a row without entries has a time" : nullptr;
  row->blocks.resize(blocks);
  std::uint64_t view_min = 0;
  for (RawBlock& block : row->blocks) {
    if (const Problem problem = read_head(view_min, in, &block)) return problem;
    view_min = std::uint64_t{block.view} + 1;
  }
  if (const Problem problem = read_newest(in, &times)) return problem;
  for (RawBlock& block : row->blocks) {
    if (const Problem problem = read_body(delta, &block, &times, in, row)) return problem;
  }
  row->unit = times.unit;
  return row->partial() ? nullptr : check_times(times, *row);
}

// Says what the number is, as text that lasts.
Problem wrong_version(unsigned version) noexcept {
  if (version == 0) return "format version 0 is none that was ever written";
  if (version == 1) return "format version 1 is not read";
  return "the format version is newer than this release; use a newer one";
}

Problem read_row(const RawRow* delta, std::string_view bytes, RawRow* row) {
  row->clear();
  // First of all: what damage has changed is recognised here, and the checks below meet only what somebody wrote.
  if (!trailer_matches(bytes)) return "wrong checksum";
  Cursor in(bytes.substr(0, bytes.size() - kTrailerBytes));
  if (const unsigned version = in.byte(); version != kRowVersion) return wrong_version(version);
  if (const Problem problem = read_blocks(delta, &in, row)) return problem;
  return in.finished() ? nullptr : "bytes left over, or cut off";
}

}  // namespace

const char* read_raw(std::string_view bytes, RawRow* row) { return read_row(nullptr, bytes, row); }

const char* read_raw_for(const RawRow& delta, std::string_view bytes, RawRow* row) {
  return read_row(&delta, bytes, row);
}

}  // namespace cairn::features
