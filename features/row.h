#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/status.h"

namespace cairn::features {

/// Weights and sums in fixed point: 1 is 1,000,000. Addition of integers is exact in any order.
inline constexpr double kMicrosPerUnit = 1e6;

/// One aggregated value. The fields that an aggregate does not name stay zero.
///
///   kCount               count
///   kSum, kMean          count, micros (sum; saturates at the ends of int64)
///   kMin, kMax, kLast    count, micros (the weight kept)
///   kDecayedSum          count, mantissa * 2^exponent: the sum of weight * 2^((t - landmark) / half_life), landmark
///                        the Unix epoch; a half-life is a factor of two, so that aligning two sums is exact
///   kSequence            count (of identical events), micros (weight)
struct Value {
  std::int64_t count = 0;
  std::int64_t micros = 0;
  double mantissa = 0.0;
  std::int64_t exponent = 0;
  std::int64_t newest_ms = 0;  ///< event time of the newest event behind the value

  friend bool operator==(const Value&, const Value&) = default;
};

struct Entry {
  std::uint64_t dimension = 0;  ///< see Dimension; 0 for kNone
  Value value;

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// The part of a row that one view owns. Describes itself, so that rows merge without their schema.
struct ViewBlock {
  std::uint32_t view = 0;  ///< View::id
  Aggregate aggregate = Aggregate::kCount;
  std::uint32_t max_entries = 0;  ///< 0: no bound
  std::int64_t half_life_ms = 0;  ///< kDecayedSum: that of its sums; 0: not known. Others: 0
  std::int64_t ttl_ms = 0;        ///< an entry older than this is not served; 0: never expires
  std::vector<Entry>
      entries;  ///< ascending by dimension, distinct; kSequence: ascending by (newest_ms, dimension, micros), distinct

  friend bool operator==(const ViewBlock&, const ViewBlock&) = default;
};

/// All sparse features of one entity, decoded.
struct Row {
  std::vector<ViewBlock> blocks;  ///< ascending by view, distinct

  [[nodiscard]] const ViewBlock* find(std::uint32_t view) const noexcept;
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

  friend bool operator==(const Row&, const Row&) = default;
};

/// Adds `delta` to `*row`. The order in which deltas are added does not matter, with three exceptions. A decayed sum of
/// three or more depends on it in its last bits. An entry that `max_entries` has dropped starts anew when a later delta
/// brings it back; a sequence is exact, because what it dropped stands before all that it keeps. A sum or count that
/// reaches an end of int64 stops there.
///
/// Entries of both that have the same key become one (in a sequence, equal events add their counts). Then the bound is
/// applied, the one that `delta` carries, because a delta is made with the newest definition of its view. The entries
/// with the newest events stay; among equally new ones those with the larger dimension, in a sequence the larger
/// (dimension, micros).
///
/// A block of `delta` replaces a block of the same view that has another aggregate or half-life: the two cannot be
/// added. That happens only when a definition changed under its id, which the view registry prevents. The TTL becomes
/// that of `delta`, like the bound.
void merge_row(Row* row, const Row& delta);

/// The longest half-life and TTL that a block can name: 2^60 ms, 36 million years.
inline constexpr std::int64_t kBlockDurationMaxMs = std::int64_t{1} << 60;

/// Writes the row to `*bytes`, in format.md's version 2. Equal rows have equal bytes.
/// Requires: blocks and entries ascending and distinct, counts >= 0, mantissas finite, durations from 0 to
/// kBlockDurationMaxMs, a half-life for decayed sums only.
void encode_row(const Row& row, std::string* bytes);

/// Replaces `*row`, whose memory is used again where it serves.
/// Returns: DATA_LOSS for a wrong checksum, an unknown version or malformed content; `*row` is then unspecified.
Status decode_row(std::string_view bytes, Row* row);

/// merge_row() over encoded rows, as a storage::MergeFunction: it cannot fail. Operands that cannot be decoded are left
/// out. A base that cannot be decoded is kept byte for byte, and then every operand is left out, since there is nothing
/// it could be added to. Without a base and without a good operand `*merged` is the row without views.
/// Returns: the number of operands left out.
std::size_t merge_encoded_rows(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                               std::string* merged);

/// What drop_faded() made of a row.
enum class Faded : std::uint8_t {
  kNothing,     ///< the row stays as it is
  kSome,        ///< the row lost entries
  kEverything,  ///< no entry is left: the row says no more than its absence
};

/// Finds the entries of an encoded row that nobody needs at `now_ms` or later: those older than the TTL of their block,
/// which are not served any more, and decayed sums that have come below 2^-20, less than a millionth. For kSome writes
/// the row without them to `*kept`, else leaves `*kept` alone. Of a view whose entries went by its TTL an empty block
/// stays, which says that it had a value; other views without entries left are dropped whole. For compactions, so it
/// cannot fail: a row that cannot be decoded, or that never had entries, is kNothing.
///
/// An entry that comes back later starts anew, as one that `max_entries` dropped. `now_ms` must not be later than any
/// instant that will be read at, else an entry is missed that would still be served.
[[nodiscard]] Faded drop_faded(std::string_view bytes, std::int64_t now_ms, std::string* kept);

}  // namespace cairn::features
