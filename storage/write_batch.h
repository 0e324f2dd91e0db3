#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::storage {

/// What a key belongs to. Families are separate key spaces with tuning of their own (RocksDB column families).
enum class Family : std::uint8_t {
  kState = 0,       ///< one row of features per entity; the only family with merge
  kMeta = 1,        ///< source positions, counters, view registry, format version
  kIds = 2,         ///< dictionary: string to dense id
  kPlaces = 3,      ///< place catalogue
  kDedup = 4,       ///< event ids seen, by time bucket
  kQuarantine = 5,  ///< merge operands that made no sense, for the record
};
inline constexpr std::size_t kFamilies = 6;

/// The longest key a store takes.
inline constexpr std::size_t kKeyBytesMax = 4096;

/// Changes that take effect together. Owns its bytes; reusable after clear(). Not thread-safe.
class WriteBatch {
 public:
  enum class Kind : std::uint8_t { kPut, kMerge, kRemove, kRemovePrefix };
  struct Op {
    Kind kind;
    Family family;
    std::string key;
    std::string value;  ///< empty for removals
  };

  void put(Family family, std::string_view key, std::string_view value) { add(Kind::kPut, family, key, value); }
  /// Hands `operand` to the store's MergeFunction. Requires: family is kState.
  void merge(Family family, std::string_view key, std::string_view operand);
  void remove(Family family, std::string_view key) { add(Kind::kRemove, family, key, {}); }
  /// Removes every key that begins with `prefix`; what this batch puts after it stays. Requires: prefix is not empty.
  void remove_prefix(Family family, std::string_view prefix);

  void clear() noexcept { ops_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return ops_.empty(); }
  [[nodiscard]] const std::vector<Op>& ops() const noexcept { return ops_; }

  /// Returns: INVALID_ARGUMENT when a key is longer than kKeyBytesMax. Every store asks this first.
  [[nodiscard]] Status check_key_sizes() const;

 private:
  void add(Kind kind, Family family, std::string_view key, std::string_view value) {
    ops_.push_back({kind, family, std::string(key), std::string(value)});
  }

  std::vector<Op> ops_;
};

}  // namespace cairn::storage
