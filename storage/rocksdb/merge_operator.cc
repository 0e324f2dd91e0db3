#include "storage/rocksdb/merge_operator.h"

#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/stored_key.h"

namespace cairn::storage {
namespace {

template <class Slices>
std::vector<std::string_view> views(const Slices& slices) {
  std::vector<std::string_view> views;
  views.reserve(slices.size());
  for (const rocksdb::Slice& slice : slices) views.push_back(slice.ToStringView());
  return views;
}

}  // namespace

bool MergerOperator::FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const noexcept {
  std::optional<std::string_view> base;
  // An empty value is a value: only the merge function knows that it means the same as none.
  if (in.existing_value != nullptr) base = in.existing_value->ToStringView();
  out->new_value.clear();  // an iterator of RocksDB 7.8 hands in the row before
  merger_->merge(without_family(in.key.ToStringView()), base, views(in.operand_list), &out->new_value);
  return true;
}

bool MergerOperator::PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands,
                                       std::string* combined, rocksdb::Logger*) const noexcept {
  if (merger_->combine(views(operands), combined)) return true;
  // What the attempt has written must not be taken for a result.
  combined->clear();
  return false;
}

}  // namespace cairn::storage
