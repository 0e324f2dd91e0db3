#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "cairn/check.h"
#include "cairn/mutex.h"
#include "storage/format_version.h"
#include "storage/merger.h"
#include "storage/prefix.h"
#include "storage/state_store.h"

namespace cairn::storage {
namespace {

using Rows = std::map<std::string, std::string, std::less<>>;

Status closed() { return unavailable("the state store is closed; open it again"); }

std::size_t index_of(Family family) { return static_cast<std::size_t>(family); }

/// How many snapshots of one store are held. Under a lock, so that a writer that finds none knows that whoever read at
/// the last one has finished.
class SnapshotCount {
 public:
  void add() {
    const MutexLock lock(mutex_);
    ++count_;
  }
  void remove() {
    const MutexLock lock(mutex_);
    --count_;
  }
  [[nodiscard]] bool none() const {
    const MutexLock lock(mutex_);
    return count_ == 0;
  }

 private:
  mutable Mutex mutex_;
  std::size_t count_ CAIRN_GUARDED_BY(mutex_) = 0;
};

using Tables = std::array<std::shared_ptr<Rows>, kFamilies>;

/// Shares its tables with the store until the store writes to them.
class MemorySnapshot final : public Snapshot {
 public:
  MemorySnapshot(std::shared_ptr<SnapshotCount> count, Tables tables)
      : count_(std::move(count)), tables_(std::move(tables)) {
    count_->add();
  }
  ~MemorySnapshot() override {
    tables_ = {};
    count_->remove();
  }

  [[nodiscard]] bool is_of(const std::shared_ptr<SnapshotCount>& count) const noexcept { return count_ == count; }
  [[nodiscard]] const Rows& rows(Family family) const { return *tables_[index_of(family)]; }

 private:
  const std::shared_ptr<SnapshotCount> count_;
  Tables tables_;
};

std::optional<std::string> find(const Rows& rows, std::string_view key) {
  const auto found = rows.find(key);
  return found == rows.end() ? std::nullopt : std::optional(found->second);
}

void find_all(const Rows& rows, std::span<const std::string> keys, std::vector<std::optional<std::string>>* values) {
  values->clear();
  values->reserve(keys.size());
  for (const std::string& key : keys) values->push_back(find(rows, key));
}

void append_sized(std::ofstream& out, std::string_view bytes) {
  std::string size;
  for (int shift = 0; shift < 32; shift += 8) size.push_back(static_cast<char>(bytes.size() >> shift));
  out << size << bytes;
}

/// Threads: any. Visitors run outside of the lock, over a copy, so they may call back.
class MemoryStore final : public StateStore {
 public:
  MemoryStore(MergeFunction merge, TrimFunction trim)
      : merger_(std::move(merge), &quarantine_), trim_(std::move(trim)) {
    for (std::shared_ptr<Rows>& rows : tables_) rows = std::make_shared<Rows>();
    rows(Family::kMeta)[std::string(kFormatVersionKey)] = std::to_string(kFormatVersion);
  }

  Status write(WriteBatch batch, Durability) override {
    CAIRN_RETURN_IF_ERROR(batch.check_key_sizes());
    const WriterLock lock(mutex_);
    if (closed_) return closed();
    last_write_ += batch.count();
    for (const WriteBatch::Op& op : batch.ops()) apply(op);
    for (Quarantine::Row& row : quarantine_.take()) rows(Family::kQuarantine)[row.key] = std::move(row.value);
    return ok_status();
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    const ReaderLock lock(mutex_);
    if (closed_) return closed();
    return find(*tables_[index_of(family)], key);
  }

  Status multi_get(Family family, std::span<const std::string> keys,
                   std::vector<std::optional<std::string>>* values) const override {
    const ReaderLock lock(mutex_);
    if (closed_) return closed();
    find_all(*tables_[index_of(family)], keys, values);
    return ok_status();
  }

  std::shared_ptr<const Snapshot> snapshot() const override {
    const WriterLock lock(mutex_);
    if (closed_) return nullptr;
    shared_.fill(true);
    return std::make_shared<MemorySnapshot>(snapshots_, tables_);
  }

  Result<std::optional<std::string>> get_at(const Snapshot& snapshot, Family family,
                                            std::string_view key) const override {
    const ReaderLock lock(mutex_);
    if (closed_) return closed();
    return find(ours(snapshot).rows(family), key);
  }

  Status multi_get_at(const Snapshot& snapshot, Family family, std::span<const std::string> keys,
                      std::vector<std::optional<std::string>>* values) const override {
    const ReaderLock lock(mutex_);
    if (closed_) return closed();
    find_all(ours(snapshot).rows(family), keys, values);
    return ok_status();
  }

  Status flush() override {
    const WriterLock lock(mutex_);
    if (closed_) return closed();
    if (trim_) trim(rows(Family::kState));
    flushed_ = last_write_.load();
    return ok_status();
  }

  /// There are no files.
  Status purge(Family, std::span<const std::string>) override {
    const ReaderLock lock(mutex_);
    return closed_ ? closed() : ok_status();
  }

  std::uint64_t last_write() const noexcept override { return last_write_; }
  std::uint64_t last_write_in_files() const noexcept override { return flushed_; }

  Status scan(Family family, std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    std::vector<std::pair<std::string, std::string>> snapshot;
    {
      const ReaderLock lock(mutex_);
      if (closed_) return closed();
      const Rows& all = *tables_[index_of(family)];
      const auto [begin, end] = range(all, prefix);
      // Copied, because the visitor may write to this store, and must still see what was there when the scan began.
      snapshot.assign(begin, end);
    }
    for (const auto& [key, value] : snapshot) {
      if (!visit(key, value)) break;
    }
    return ok_status();
  }

  Status checkpoint(const std::string& path) override {
    const ReaderLock lock(mutex_);
    if (closed_) return closed();
    std::error_code error;
    if (std::filesystem::exists(path, error)) {
      return {StatusCode::kAlreadyExists, path + " exists already; name a directory that does not"};
    }
    std::filesystem::create_directories(path, error);
    if (error) return unavailable("cannot create " + path + ": " + error.message());
    return dump(path + "/MEMORY");
  }

  StateStoreStats stats() const override {
    const ReaderLock lock(mutex_);
    StateStoreStats stats;
    stats.quarantined_operands = quarantine_.count();
    stats.accepting_writes = !closed_;
    if (closed_) stats.detail = closed().message();
    return stats;
  }

  Status close() override {
    const WriterLock lock(mutex_);
    closed_ = true;
    return ok_status();
  }

 private:
  /// The rows of a family, to be written: a copy of their own where a snapshot may still hold them.
  Rows& rows(Family family) CAIRN_REQUIRES(mutex_) {
    const std::size_t i = index_of(family);
    if (shared_[i] && !snapshots_->none()) tables_[i] = std::make_shared<Rows>(*tables_[i]);
    shared_[i] = false;
    return *tables_[i];
  }

  const MemorySnapshot& ours(const Snapshot& snapshot) const {
    const auto* ours = dynamic_cast<const MemorySnapshot*>(&snapshot);
    CAIRN_CHECK_MSG(ours != nullptr && ours->is_of(snapshots_), "a snapshot of another store");
    return *ours;
  }

  static std::pair<Rows::const_iterator, Rows::const_iterator> range(const Rows& all, std::string_view prefix) {
    const std::optional<std::string> end = prefix_end(prefix);
    return {all.lower_bound(prefix), end ? all.lower_bound(*end) : all.end()};
  }

  void apply(const WriteBatch::Op& op) CAIRN_REQUIRES(mutex_) {
    Rows& all = rows(op.family);
    switch (op.kind) {
      case WriteBatch::Kind::kPut:
        all[std::string(op.key)] = op.value;
        break;
      case WriteBatch::Kind::kMerge:
        merge(all, op);
        break;
      case WriteBatch::Kind::kRemove:
        if (const auto found = all.find(op.key); found != all.end()) all.erase(found);
        break;
      case WriteBatch::Kind::kRemoveRange:
        all.erase(all.lower_bound(op.key), op.value.empty() ? all.end() : all.lower_bound(op.value));
        break;
    }
  }

  void merge(Rows& all, const WriteBatch::Op& op) CAIRN_REQUIRES(mutex_) {
    const auto found = all.find(op.key);
    const std::optional<std::string_view> base =
        found == all.end() ? std::nullopt : std::optional<std::string_view>(found->second);
    const std::string_view operand = op.value;
    // Merged at once. RocksDB merges when it reads or compacts; the result must be the same.
    std::string merged;
    merger_.merge(op.key, base, {&operand, 1}, &merged);
    all[std::string(op.key)] = std::move(merged);
  }

  void trim(Rows& all) const {
    for (auto row = all.begin(); row != all.end();) {
      std::string trimmed;
      const TrimDecision decision = trim_(row->first, row->second, &trimmed);
      if (decision == TrimDecision::kChange) row->second = std::move(trimmed);
      row = decision == TrimDecision::kRemove ? all.erase(row) : std::next(row);
    }
  }

  Status dump(const std::string& path) const CAIRN_REQUIRES_SHARED(mutex_) {
    std::ofstream out(path, std::ios::binary);
    for (std::size_t family = 0; family < kFamilies; ++family) {
      for (const auto& [key, value] : *tables_[family]) {
        out.put(static_cast<char>(family));
        append_sized(out, key);
        append_sized(out, value);
      }
    }
    out.close();
    return out ? ok_status() : unavailable("cannot write " + path + "; check the disk's free space and health");
  }

  mutable SharedMutex mutex_;
  Quarantine quarantine_;
  const Merger merger_;
  const TrimFunction trim_;
  const std::shared_ptr<SnapshotCount> snapshots_ = std::make_shared<SnapshotCount>();
  Tables tables_ CAIRN_GUARDED_BY(mutex_);
  mutable std::array<bool, kFamilies> shared_ CAIRN_GUARDED_BY(mutex_){};  ///< with a snapshot taken earlier
  std::atomic<std::uint64_t> last_write_{0};                               ///< operations written
  std::atomic<std::uint64_t> flushed_{0};
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<StateStore> open_memory_store(MergeFunction merge, TrimFunction trim) {
  return std::make_unique<MemoryStore>(std::move(merge), std::move(trim));
}

}  // namespace cairn::storage
