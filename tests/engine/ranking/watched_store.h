#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/state_store.h"

namespace cairn::ranking {

/// A store that calls `on_next_get` before it reads a row, once, so that a test can let something happen in the middle
/// of a request, at the step that reads the user.
class WatchedStore final : public storage::StateStore {
 public:
  explicit WatchedStore(std::unique_ptr<storage::StateStore> store) : store_(std::move(store)) {}

  mutable std::function<void()> on_next_get;  ///< for rows of features only; emptied before it is called

  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    return store_->write(std::move(batch), durability);
  }
  [[nodiscard]] Result<std::optional<std::string>> get(storage::Family family, std::string_view key) const override {
    if (family == storage::Family::kState && on_next_get) std::exchange(on_next_get, nullptr)();
    return store_->get(family, key);
  }
  Status multi_get(storage::Family family, std::span<const std::string> keys,
                   std::vector<std::optional<std::string>>* values) const override {
    return store_->multi_get(family, keys, values);
  }
  [[nodiscard]] std::shared_ptr<const storage::Snapshot> snapshot() const override { return store_->snapshot(); }
  [[nodiscard]] Result<std::optional<std::string>> get_at(const storage::Snapshot& snapshot, storage::Family family,
                                                          std::string_view key) const override {
    if (family == storage::Family::kState && on_next_get) std::exchange(on_next_get, nullptr)();
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
  const std::unique_ptr<storage::StateStore> store_;
};

}  // namespace cairn::ranking
