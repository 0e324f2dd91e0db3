#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "features/row.h"
#include "tests/support/forwarding_store.h"

namespace cairn::state {

/// A store in memory that can refuse writes, lose them as a crash does, and call a test in the middle of one.
class CrashingStore final : public test::ForwardingStore {
 public:
  CrashingStore() : ForwardingStore(storage::open_memory_store(features::merge_encoded_rows)) {}

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

  /// Waits until so many writes were refused.
  void wait_for_refusals(int count) {
    std::unique_lock lock(mutex_);
    written_.wait(lock, [&] { return refusals_ >= count; });
  }

  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    bool rows = false;
    for (const auto& op : batch.ops()) rows |= op.family == storage::Family::kState;
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      if (lose_) return ok_status();
      if (!refusal_.ok()) {
        ++refusals_;
        written_.notify_all();
        return refusal_;
      }
      if (rows) call = on_write_;
    }
    if (call) call();
    CAIRN_RETURN_IF_ERROR(ForwardingStore::write(std::move(batch), durability));
    {
      const std::lock_guard lock(mutex_);
      writes_of_rows_ += rows ? 1 : 0;
    }
    written_.notify_all();
    return ok_status();
  }

 private:
  std::mutex mutex_;
  std::condition_variable written_;
  bool lose_ = false;
  Status refusal_;
  std::function<void()> on_write_;
  int writes_of_rows_ = 0;
  int refusals_ = 0;
};

}  // namespace cairn::state
