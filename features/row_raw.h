#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "features/row.h"

namespace cairn::features {

// Rows as merges and compactions handle them: all entries in one vector, and sums of one event not yet computed. What
// format.md says of the bytes and these structures have in common stands here; row_read*.cc and row_write.cc have the
// two directions.

/// An entry in which the sum of one event may still be that event.
struct RawEntry : Entry {
  /// value.micros is the weight of the only event, whose time is newest_ms; mantissa and exponent are zero.
  bool single = false;
};

/// A ViewBlock whose entries stand in RawRow::entries, from `begin` to below `end`; or which was left as it is encoded.
struct RawBlock {
  std::uint32_t view = 0;
  Aggregate aggregate = Aggregate::kCount;
  std::uint32_t max_entries = 0;
  std::int64_t half_life_ms = 0;
  std::int64_t ttl_ms = 0;
  std::size_t begin = 0;
  std::size_t end = 0;

  // Of a block left encoded. It has no entries in RawRow::entries.
  std::size_t encoded_size = 0;  ///< its number of entries; 0: the block is decoded
  unsigned flags = 0;            ///< the first byte of its body
  std::int64_t newest_ms = 0;
  std::string_view columns;  ///< its body from the dimensions on, in the memory of what was read

  [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
};

struct RawRow {
  std::vector<RawBlock> blocks;
  std::vector<RawEntry> entries;
  unsigned unit = 0;  ///< as read; not kept up to date

  void clear() noexcept {
    blocks.clear();
    entries.clear();
  }

  /// Whether a block was left encoded.
  [[nodiscard]] bool partial() const noexcept {
    return std::any_of(blocks.begin(), blocks.end(), [](const RawBlock& block) { return block.encoded_size > 0; });
  }

  [[nodiscard]] std::span<RawEntry> of(const RawBlock& block) noexcept {
    return std::span(entries).subspan(block.begin, block.size());
  }
  [[nodiscard]] std::span<const RawEntry> of(const RawBlock& block) const noexcept {
    return std::span(entries).subspan(block.begin, block.size());
  }
};

/// Rows of the calling thread whose memory lasts from one use to the next, within a bound: merges come by the million,
/// and allocating would cost more than merging. All are empty at the start of a use. Uses do not nest.
class Scratch {
 public:
  static constexpr std::size_t kRows = 4;

  Scratch() noexcept;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] RawRow& row(std::size_t i) noexcept { return rows_[i]; }

 private:
  RawRow* rows_;
};

/// Which of a block's sums are single events, and which are not. One at a time in a thread, as it keeps its memory.
class Forms {
 public:
  explicit Forms(std::span<const RawEntry> entries);

  [[nodiscard]] std::span<const std::uint32_t> singles() const noexcept { return {list_, singles_}; }
  [[nodiscard]] std::span<const std::uint32_t> others() const noexcept { return {list_ + singles_max_, others_}; }

 private:
  std::vector<std::uint32_t> large_;  ///< for blocks so large that the thread does not keep memory for them
  std::uint32_t* list_;
  std::size_t singles_max_;
  std::size_t singles_ = 0;
  std::size_t others_ = 0;
};

/// Replaces `*row`. Returns: nullptr, or what is wrong with the bytes; `*row` is then unspecified.
[[nodiscard]] const char* read_raw(std::string_view bytes, RawRow* row);

/// The same, but leaves blocks encoded whose view `delta` has not: it checks of them only where they end. They refer to
/// the memory of `bytes`.
[[nodiscard]] const char* read_raw_for(const RawRow& delta, std::string_view bytes, RawRow* row);

class Cursor;

/// Moves behind the columns of a body, whose first byte is block.flags and which has block.encoded_size entries.
void skip_columns(const RawBlock& block, Cursor* in) noexcept;

/// Index of the largest of kTimeUnits that divides the times of all decoded entries.
[[nodiscard]] unsigned time_unit(const RawRow& row) noexcept;

/// Replaces `*bytes`. Requires: what encode_row() requires, every decayed sum as settle() leaves it, and where the row
/// is partial, that time_unit() is the unit of what it was read from.
void write_raw(const RawRow& row, std::string* bytes);

/// Gives a decayed sum its only spelling: the event in place of the sum where there is one event and the sum can be
/// computed from it bit for bit.
void settle(std::int64_t half_life_ms, RawEntry* entry) noexcept;

/// Computes the sum of a `single` entry.
void unfold(std::int64_t half_life_ms, RawEntry* entry) noexcept;

/// Weights of single events are below this, in micros, so that no two of them have the same sum.
inline constexpr std::int64_t kSingleMicrosMax = std::int64_t{1} << 50;

// ---- format.md in numbers -----------------------------------------------------------------------------------------

inline constexpr unsigned kRowVersion = 2;

/// A column of times or of a sequence's dimensions is packed from this many entries on. Below it varints are shorter,
/// as one of two ages is zero.
inline constexpr std::size_t kPackedEntriesMin = 6;
/// The least width of packed times. So every entry but the first takes a byte at least, and what decoding allocates is
/// bounded by the bytes.
inline constexpr unsigned kTimeWidthMin = 8;

/// The bound that is not written, because it is the default of a view.
inline constexpr std::uint32_t kUsualMaxEntries = 1024;

// The first byte of a block's head: the aggregate in the low four bits, then what follows.
inline constexpr unsigned kAggregateMask = 0x0F;
inline constexpr unsigned kHasGap = 0x10;
inline constexpr unsigned kHasMaxEntries = 0x20;
inline constexpr unsigned kHasTtl = 0x40;
inline constexpr unsigned kHasHalfLife = 0x80;

// The first byte of a block's body.
inline constexpr unsigned kOneEntry = 0x01;
inline constexpr unsigned kNewestOfRow = 0x02;  ///< the block's newest event is the row's
inline constexpr unsigned kCountsOne = 0x04;    ///< every count is 1
inline constexpr unsigned kPlain = 0x08;        ///< every weight is 1; decayed sums: all single, of weight 1
inline constexpr unsigned kDimensionShift = 4;
inline constexpr unsigned kScaleShift = 6;

/// Where dimensions come from. Of those that fit the largest is written.
enum class Dimensions : unsigned {
  kWritten = 0,
  kHourOfWeek = 1,  ///< each is the hour of the week of its newest event; not in sequences
  kHour = 2,        ///< each is the hour since the epoch of its newest event; not in sequences
  kZero = 3,        ///< one entry, dimension 0
};

// The byte before decayed sums that are not plain. The scale of weights stands in its two low bits.
inline constexpr unsigned kAllSingle = 0x04;
inline constexpr unsigned kNoSingle = 0x08;        ///< neither: a bit an entry says which are
inline constexpr unsigned kSinglesOne = 0x10;      ///< every single event weighs 1, and there is one at least
inline constexpr unsigned kMantissasWhole = 0x20;  ///< 64 bits each: one at least is not in normal form

/// The units of times, of which a row uses the largest that divides them all.
inline constexpr std::int64_t kTimeUnits[] = {1, 1'000, 60'000, 86'400'000};
/// The same for half-lives and TTLs, each for itself.
inline constexpr std::int64_t kDurationUnits[] = {1, 1'000, 3'600'000, 86'400'000};
/// The scales of weights, in micros.
inline constexpr std::int64_t kScales[] = {1, 10'000, 100'000, 1'000'000};
inline constexpr std::int64_t kOneInMicros = 1'000'000;

inline constexpr unsigned kMantissaBits = 53;  ///< sign and 52 bits behind the leading one
/// Sign, exponent and fraction of a double in [0.5, 1): its bits 52 to 62.
inline constexpr std::uint64_t kNormalExponent = std::uint64_t{1022} << 52;
inline constexpr std::uint64_t kExponentMask = std::uint64_t{0x7FF} << 52;

[[nodiscard]] constexpr bool keeps_micros(Aggregate aggregate) noexcept {
  return aggregate != Aggregate::kCount && aggregate != Aggregate::kDecayedSum;
}

/// a - b modulo 2^64, where every pair of int64 has a difference.
[[nodiscard]] constexpr std::uint64_t difference(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

/// Whether the dimension is the hour since the epoch, or the hour of the week, of the newest event.
[[nodiscard]] bool is_hour(const Entry& entry) noexcept;
[[nodiscard]] bool is_hour_of_week(const Entry& entry) noexcept;

/// Whether the times of a block ascend by the order of its entries, so that they are written as steps.
[[nodiscard]] constexpr bool times_ascend(Aggregate aggregate, Dimensions dimensions) noexcept {
  return aggregate == Aggregate::kSequence || dimensions == Dimensions::kHour;
}

/// Where the dimensions of a block can be told from. Requires: an entry at least.
[[nodiscard]] Dimensions dimensions_of(Aggregate aggregate, std::span<const RawEntry> entries) noexcept;

/// What the exponents of a block's sums are written relative to: the half-lives up to its newest event.
[[nodiscard]] std::int64_t usual_exponent(std::int64_t half_life_ms, std::int64_t newest_ms) noexcept;

}  // namespace cairn::features
