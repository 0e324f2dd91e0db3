#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/forwarding_store.h"

namespace cairn::ranking {

/// A store that calls `on_next_get` before it reads a row, once, so that a test can let something happen in the middle
/// of a request, at the step that reads the user.
class WatchedStore final : public test::ForwardingStore {
 public:
  explicit WatchedStore(std::unique_ptr<storage::StateStore> store) : ForwardingStore(std::move(store)) {}

  mutable std::function<void()> on_next_get;  ///< for rows of features only; emptied before it is called

  [[nodiscard]] Result<std::optional<std::string>> get_at(const storage::Snapshot& snapshot, storage::Family family,
                                                          std::string_view key) const override {
    if (family == storage::Family::kState && on_next_get) std::exchange(on_next_get, nullptr)();
    return ForwardingStore::get_at(snapshot, family, key);
  }
};

}  // namespace cairn::ranking
