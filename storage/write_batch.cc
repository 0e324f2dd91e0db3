#include "storage/write_batch.h"

#include "cairn/check.h"

namespace cairn::storage {

void WriteBatch::merge(Family family, std::string_view key, std::string_view operand) {
  CAIRN_CHECK_MSG(family == Family::kState, "only the state family merges");
  add(Kind::kMerge, family, key, operand);
}

void WriteBatch::remove_prefix(Family family, std::string_view prefix) {
  CAIRN_CHECK_MSG(!prefix.empty(), "an empty prefix would remove the whole family");
  add(Kind::kRemovePrefix, family, prefix, {});
}

Status WriteBatch::check_key_sizes() const {
  for (const Op& op : ops_) {
    if (op.key.size() > kKeyBytesMax) {
      return invalid_argument("a key has " + std::to_string(op.key.size()) + " bytes, at most " +
                              std::to_string(kKeyBytesMax) + " are allowed; shorten the id");
    }
  }
  return ok_status();
}

}  // namespace cairn::storage
