#pragma once

#include <rocksdb/merge_operator.h>

#include <deque>
#include <string>
#include <string_view>

#include "storage/merger.h"

namespace cairn::storage {

/// What the name of our merge operator begins with in every version.
inline constexpr std::string_view kMergeOperatorPrefix = "cairn.merge.";

/// RocksDB's view of a Merger. A full merge never fails: in RocksDB before 7.10 one that does makes reads, flushes,
/// compactions and even opening fail (rocksdb #11092). A partial merge that declines is no failure, it only leaves the
/// operands apart.
///
/// Threads: all methods from any thread. `merger` is borrowed for the object's life.
class MergerOperator final : public rocksdb::MergeOperator {
 public:
  explicit MergerOperator(const Merger* merger) : merger_(merger) {}

  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const noexcept override;
  bool PartialMergeMulti(const rocksdb::Slice& key, const std::deque<rocksdb::Slice>& operands, std::string* combined,
                         rocksdb::Logger* logger) const noexcept override;
  const char* Name() const override { return "cairn.merge.v1"; }

 private:
  const Merger* merger_;
};

}  // namespace cairn::storage
