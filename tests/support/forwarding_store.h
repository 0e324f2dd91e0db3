#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/state_store.h"

namespace cairn::test {

/// Hands every call on to another store. For tests that want a store to behave otherwise in one of them.
class ForwardingStore : public storage::StateStore {
 public:
  explicit ForwardingStore(std::unique_ptr<storage::StateStore> store) : store_(std::move(store)) {}

  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    return store_->write(std::move(batch), durability);
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
  Status purge(storage::Family family, std::span<const std::string> keys) override {
    return store_->purge(family, keys);
  }
  [[nodiscard]] std::uint64_t last_write() const noexcept override { return store_->last_write(); }
  [[nodiscard]] std::uint64_t last_write_in_files() const noexcept override { return store_->last_write_in_files(); }
  Status checkpoint(const std::string& path) override { return store_->checkpoint(path); }
  [[nodiscard]] storage::StateStoreStats stats() const override { return store_->stats(); }
  Status close() override { return store_->close(); }

 private:
  const std::unique_ptr<storage::StateStore> store_;
};

}  // namespace cairn::test
