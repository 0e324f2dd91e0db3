#include "storage/rocksdb/snapshots.h"

#include <utility>

#include "cairn/check.h"

namespace cairn::storage {

class Snapshots::Held final : public Snapshot {
 public:
  Held(std::shared_ptr<Snapshots> owner, const rocksdb::Snapshot* native) : owner_(std::move(owner)), native_(native) {}
  ~Held() override { owner_->release(native_); }

  [[nodiscard]] bool is_of(const Snapshots* owner) const noexcept { return owner_.get() == owner; }
  [[nodiscard]] const rocksdb::Snapshot* native() const noexcept { return native_; }

 private:
  const std::shared_ptr<Snapshots> owner_;
  const rocksdb::Snapshot* const native_;
};

std::shared_ptr<const Snapshot> Snapshots::take() {
  const MutexLock lock(mutex_);
  CAIRN_CHECK(db_ != nullptr);
  const rocksdb::Snapshot* native = db_->GetSnapshot();
  held_.insert(native);
  return std::make_shared<Held>(shared_from_this(), native);
}

const rocksdb::Snapshot* Snapshots::native(const Snapshot& snapshot) const {
  const auto* held = dynamic_cast<const Held*>(&snapshot);
  CAIRN_CHECK_MSG(held != nullptr && held->is_of(this), "a snapshot of another store");
  return held->native();
}

void Snapshots::close() {
  const MutexLock lock(mutex_);
  for (const rocksdb::Snapshot* snapshot : held_) db_->ReleaseSnapshot(snapshot);
  held_.clear();
  db_ = nullptr;
}

void Snapshots::release(const rocksdb::Snapshot* snapshot) {
  const MutexLock lock(mutex_);
  // Released already where close() came first.
  if (held_.erase(snapshot) > 0) db_->ReleaseSnapshot(snapshot);
}

}  // namespace cairn::storage
