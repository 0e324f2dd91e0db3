#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "cairn/mutex.h"

namespace cairn::storage {

/// Holds copies of merge operands that were left out until the store can write them to Family::kQuarantine: merging
/// happens inside reads and compactions, where nothing may be written.
///
/// Every read meets the same operand again until a compaction removes it. So operands are told apart by entity key and
/// content, and each is counted once and parked once. At most kPendingMax copies of at most kOperandBytesMax wait; an
/// operand that does not fit is counted and not kept. After kDistinctMax distinct operands all are forgotten, and one
/// that comes again is counted again.
///
/// Threads: all methods from any thread. Takes no lock but its own, so it may be called under any other.
class Quarantine {
 public:
  static constexpr std::size_t kPendingMax = 1024;
  static constexpr std::size_t kOperandBytesMax = 64u << 10;
  static constexpr std::size_t kDistinctMax = 65536;

  /// One row of Family::kQuarantine.
  struct Row {
    std::string key;    ///< quarantine_key(entity key, operand)
    std::string value;  ///< the operand as it was written
  };

  /// Counts the operand and queues a copy, unless it was seen before.
  void park(std::string_view entity_key, std::string_view operand);

  /// Hands over what waits to be written, oldest first.
  [[nodiscard]] std::vector<Row> take();

  /// Puts rows back in front that could not be written.
  void give_back(std::vector<Row> rows);

  [[nodiscard]] bool has_pending() const;

  /// Distinct operands left out so far.
  [[nodiscard]] std::uint64_t count() const;

 private:
  mutable Mutex mutex_;
  std::unordered_set<std::uint64_t> seen_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Row> pending_ CAIRN_GUARDED_BY(mutex_);
  std::uint64_t count_ CAIRN_GUARDED_BY(mutex_) = 0;
};

/// The entity key followed by the FNV-1a 64 hash of the operand, big-endian: rows of one entity stand together and
/// writing the same operand again replaces the row.
[[nodiscard]] std::string quarantine_key(std::string_view entity_key, std::string_view operand);

}  // namespace cairn::storage
