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
/// A block of `delta` replaces a block of the same view that has another aggregate: the two cannot be added. That
/// happens only when a definition changed under its id, which the view registry prevents.
void merge_row(Row* row, const Row& delta);

/// Writes the row to `*bytes`, in format.md's version 1: header, delta-varint entries, CRC-32C. Equal rows have equal
/// bytes. Requires: blocks and entries ascending and distinct, counts >= 0, mantissas finite.
void encode_row(const Row& row, std::string* bytes);

/// Returns: DATA_LOSS for a wrong checksum, an unknown version or malformed content; `*row` is then unspecified.
Status decode_row(std::string_view bytes, Row* row);

/// merge_row() over encoded rows, as a storage::MergeFunction: it cannot fail. Operands that cannot be decoded are left
/// out. A base that cannot be decoded is kept byte for byte, and then every operand is left out, since there is nothing
/// it could be added to. Without a base and without a good operand `*merged` is the row without views.
/// Returns: the number of operands left out.
std::size_t merge_encoded_rows(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                               std::string* merged);

}  // namespace cairn::features
