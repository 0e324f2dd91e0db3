#include "storage/rocksdb/trim_filter.h"

#include <string_view>
#include <utility>

#include "cairn/check.h"
#include "cairn/kill_point.h"
#include "storage/stored_key.h"

namespace cairn::storage {

TrimFilter::TrimFilter(TrimFunction trim) : trim_(std::move(trim)) { CAIRN_CHECK(trim_ != nullptr); }

rocksdb::CompactionFilter::Decision TrimFilter::FilterV2(int, const rocksdb::Slice& key, ValueType type,
                                                         const rocksdb::Slice& value, std::string* new_value,
                                                         std::string*) const noexcept {
  const std::string_view stored = key.ToStringView();
  // An operand is a change that the row has not seen yet. It must reach it.
  if (type != ValueType::kValue || !stored.starts_with(family_byte(Family::kState))) return Decision::kKeep;
  CAIRN_KILL_POINT("store.compacting");
  switch (trim_(without_family(stored), value.ToStringView(), new_value)) {
    case TrimDecision::kChange:
      return Decision::kChangeValue;
    case TrimDecision::kRemove:
      return Decision::kRemove;
    case TrimDecision::kKeep:
      break;
  }
  new_value->clear();  // what the function may have left there
  return Decision::kKeep;
}

}  // namespace cairn::storage
