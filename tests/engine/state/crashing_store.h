#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "features/row.h"
#include "storage/state_store.h"

namespace cairn::state {

/// A store in memory that can refuse writes, lose them as a crash does, and call a test in the middle of one.
class CrashingStore final : public storage::StateStore {
 public:
  /// From now on writes return OK and change nothing: what is written after a crash was never written.
  void lose_writes(bool lose) {
    const std::lock_guard lock(mutex_);
    lose_ = lose;
  }
  void refuse_writes(Status refusal) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(refusal);
  }
  /// Called by the writer before a write of rows, without a lock.
  void on_write(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    on_write_ = std::move(call);
  }
  void wait_for_writes_of_rows(int count) {
    std::unique_lock lock(mutex_);
    written_.wait(lock, [&] { return writes_of_rows_ >= count; });
  }

  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    bool rows = false;
    for (const auto& op : batch.ops()) rows |= op.family == storage::Family::kState;
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      if (lose_ || !refusal_.ok()) return lose_ ? ok_status() : refusal_;
      if (rows) call = on_write_;
    }
    if (call) call();
    CAIRN_RETURN_IF_ERROR(store_->write(std::move(batch), durability));
    {
      const std::lock_guard lock(mutex_);
      writes_of_rows_ += rows ? 1 : 0;
    }
    written_.notify_all();
    return ok_status();
  }
  [[nodiscard]] Result<std::optional<std::string>> get(storage::Family family, std::string_view key) const override {
    return store_->get(family, key);
  }
  Status multi_get(storage::Family family, std::span<const std::string> keys,
                   std::vector<std::optional<std::string>>* values) const override {
    return store_->multi_get(family, keys, values);
  }
  [[nodiscard]] std::shared_ptr<const storage::Snapshot> snapshot() const override { return store_->snapshot(); }
  [[nodiscard]] Result<std::optional<std::string>> get_at(const storage::Snapshot& snapshot, storage::Family family,
                                                          std::string_view key) const override {
    return store_->get_at(snapshot, family, key);
  }
  Status multi_get_at(const storage::Snapshot& snapshot, storage::Family family, std::span<const std::string> keys,
                      std::vector<std::optional<std::string>>* values) const override {
    return store_->multi_get_at(snapshot, family, keys, values);
  }
  Status scan(storage::Family family, std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return store_->scan(family, prefix, visit);
  }
  Status flush() override { return store_->flush(); }
  [[nodiscard]] std::uint64_t last_write() const noexcept override { return store_->last_write(); }
  [[nodiscard]] std::uint64_t last_write_in_files() const noexcept override { return store_->last_write_in_files(); }
  Status checkpoint(const std::string& path) override { return store_->checkpoint(path); }
  [[nodiscard]] storage::StateStoreStats stats() const override { return store_->stats(); }
  Status close() override { return store_->close(); }

 private:
  const std::unique_ptr<storage::StateStore> store_ = storage::open_memory_store(features::merge_encoded_rows);
  std::mutex mutex_;
  std::condition_variable written_;
  bool lose_ = false;
  Status refusal_;
  std::function<void()> on_write_;
  int writes_of_rows_ = 0;
};

}  // namespace cairn::state
