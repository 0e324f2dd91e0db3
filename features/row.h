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

/// Adds `delta` to `*row`. Commutative and associative, up to the rounding of kDecayedSum's mantissa (two operands:
/// bit for bit commutative) and up to entries that `max_entries` has already dropped; a sequence, which keeps the
/// newest, loses nothing that way. Sums and counts stop at the ends of int64.
///
/// The bound of `delta` holds, as the later one: the entries with the newest newest_ms stay, the larger dimension among
/// equals; of a sequence the newest by (newest_ms, dimension, micros). Equal events of a sequence add their counts.
/// Blocks whose aggregate differs: the block of `delta` wins (a view's definition changed under the same id, which the
/// view registry prevents).
void merge_row(Row* row, const Row& delta);

/// Writes the row to `*bytes`, in format.md's version 1: header, delta-varint entries, CRC-32C. Equal rows have equal
/// bytes. Requires: blocks and entries ascending and distinct, counts >= 0, mantissas finite.
void encode_row(const Row& row, std::string* bytes);

/// Returns: DATA_LOSS for a wrong checksum, an unknown version or malformed content; `*row` is then unspecified.
Status decode_row(std::string_view bytes, Row* row);

/// merge_row over encoded rows, in the shape that storage wants (storage::MergeFunction): never fails. With neither a
/// base nor a good operand `*merged` is the row without views.
/// Returns: the number of operands left out because they could not be decoded. A base that cannot be decoded is kept
/// byte for byte, and every operand is then left out.
std::size_t merge_encoded_rows(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                               std::string* merged);

}  // namespace cairn::features
