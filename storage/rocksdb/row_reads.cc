#include "storage/rocksdb/row_reads.h"

#include <algorithm>
#include <utility>

#include "storage/rocksdb/status_translation.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace {

/// stored_key() of each, one behind the other in `*bytes`, which they are views of.
std::vector<rocksdb::Slice> stored_keys(Family family, const std::vector<std::string_view>& keys, std::string* bytes) {
  std::size_t size = keys.size();
  for (const std::string_view key : keys) size += key.size();
  bytes->reserve(size);  // never grows, so the views stay
  std::vector<rocksdb::Slice> stored;
  stored.reserve(keys.size());
  for (const std::string_view key : keys) {
    const std::size_t begin = bytes->size();
    bytes->push_back(family_byte(family));
    bytes->append(key);
    stored.emplace_back(bytes->data() + begin, key.size() + 1);
  }
  return stored;
}

}  // namespace

Result<std::optional<std::string>> read_row(rocksdb::DB& db, const rocksdb::ReadOptions& options, Family family,
                                            std::string_view key) {
  std::string value;
  const rocksdb::Status found = db.Get(options, stored_key(family, key), &value);
  if (found.IsNotFound()) return std::optional<std::string>();
  if (!found.ok()) return from_rocksdb(found);
  return std::optional<std::string>(std::move(value));
}

Status read_rows(rocksdb::DB& db, const rocksdb::ReadOptions& options, Family family, std::span<const std::string> keys,
                 std::vector<std::optional<std::string>>* values) {
  // Sorted and distinct: MultiGet may answer a repeated key wrongly (RocksDB HISTORY 9.0), and sorting is its own first
  // step. All of one family, so the order is that of the callers' keys.
  std::vector<std::string_view> distinct(keys.begin(), keys.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::string bytes;
  const std::vector<rocksdb::Slice> stored = stored_keys(family, distinct, &bytes);
  std::vector<rocksdb::PinnableSlice> found(stored.size());
  std::vector<rocksdb::Status> statuses(stored.size());
  db.MultiGet(options, db.DefaultColumnFamily(), stored.size(), stored.data(), found.data(), statuses.data(),
              /*sorted_input=*/true);
  values->assign(keys.size(), std::nullopt);
  for (const rocksdb::Status& status : statuses) {
    if (!status.ok() && !status.IsNotFound()) return from_rocksdb(status);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = std::lower_bound(distinct.begin(), distinct.end(), std::string_view(keys[i]));
    const auto j = static_cast<std::size_t>(at - distinct.begin());
    if (statuses[j].ok()) (*values)[i] = found[j].ToString();
  }
  return ok_status();
}

}  // namespace cairn::storage
