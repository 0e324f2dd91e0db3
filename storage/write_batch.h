#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"

namespace cairn::storage {

/// What a key belongs to. Families are separate key spaces; they are written, flushed and lost together.
enum class Family : std::uint8_t {
  kState = 0,       ///< one row of features per entity; the only family with merge
  kMeta = 1,        ///< source positions, counters, view registry, format version
  kIds = 2,         ///< dictionary: string to dense id
  kPlaces = 3,      ///< place catalogue
  kDedup = 4,       ///< event ids seen, by generation
  kQuarantine = 5,  ///< merge operands that made no sense, for the record
};
inline constexpr std::size_t kFamilies = 6;

/// The first byte of a stored key, which keeps the families apart and in this order (format.md).
[[nodiscard]] constexpr char family_byte(Family family) noexcept { return static_cast<char>(family); }

/// The longest key a store takes.
inline constexpr std::size_t kKeyBytesMax = 4096;

/// Changes that take effect together. Owns its bytes; reusable after clear() and after it was moved from. Not
/// thread-safe.
///
/// The operations are kept once, in the bytes that RocksDB's own write batch has (format.md, "A write batch"): handing
/// a batch to RocksDB copies no key and no value, and a store of another kind reads the same bytes through ops().
class WriteBatch {
 public:
  WriteBatch() = default;
  WriteBatch(const WriteBatch&) = default;
  WriteBatch& operator=(const WriteBatch&) = default;
  WriteBatch(WriteBatch&& other) noexcept { swap(other); }
  WriteBatch& operator=(WriteBatch&& other) noexcept {
    swap(other);
    other.clear();
    return *this;
  }
  ~WriteBatch() = default;

  // Keys and values must be shorter than 4 GiB.
  void put(Family family, std::string_view key, std::string_view value);
  /// Hands `operand` to the store's MergeFunction. Requires: family is kState.
  void merge(Family family, std::string_view key, std::string_view operand);
  void remove(Family family, std::string_view key);
  /// Removes every key that begins with `prefix`; what this batch puts after it stays. Requires: prefix is not empty,
  /// family is not kState (why: StateRows in rocksdb/tuning.cc).
  void remove_prefix(Family family, std::string_view prefix);

  /// Empties the batch and keeps its memory.
  void clear() noexcept;
  [[nodiscard]] bool empty() const noexcept { return count() == 0; }
  /// Operations so far.
  [[nodiscard]] std::uint32_t count() const noexcept;

  enum class Kind : std::uint8_t { kPut, kMerge, kRemove, kRemoveRange };
  /// One operation, as views into the batch.
  struct Op {
    Kind kind;
    Family family;
    std::string_view key;    ///< of kRemoveRange the first key that goes
    std::string_view value;  ///< of kRemoveRange the first key behind it that stays, empty: none; empty for kRemove
  };
  /// The operations in the order they were added. The views live until the batch changes.
  [[nodiscard]] std::vector<Op> ops() const;

  /// The batch in RocksDB's form.
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  /// Hands the bytes over and leaves the batch empty.
  [[nodiscard]] std::string take_bytes() noexcept;

  /// Returns: INVALID_ARGUMENT when a key is longer than kKeyBytesMax. Every store asks this first.
  [[nodiscard]] Status check_key_sizes() const;

 private:
  static constexpr std::size_t kHeaderBytes = 12;

  void swap(WriteBatch& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(longest_key_, other.longest_key_);
  }
  void begin_record(char tag, Family family, std::string_view key);

  std::string bytes_ = std::string(kHeaderBytes, '\0');
  std::size_t longest_key_ = 0;
};

}  // namespace cairn::storage
