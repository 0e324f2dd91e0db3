#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "features/name_table.h"

namespace cairn::features {

/// Strings to dense ids 0, 1, 2 … and back: what place ids and categories are stored as inside rows. An id is given
/// once and never changes; it must be stored no later than the first row that uses it (`pending`).
/// Threads: any. Looking up takes no lock.
class Dictionary {
 public:
  /// The id of `name`, given out when new. Requires: at most 64 KiB; fewer than 2^32 - 1 names.
  std::uint64_t intern(std::string_view name);
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const {
    return names_->find(name, NameTable::hash(name));
  }
  /// The same for a caller who has the hash, and may have asked for the memory before.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name, std::uint64_t hash) const noexcept {
    return names_->find(name, hash);
  }
  void prefetch(std::uint64_t hash) const noexcept { names_->prefetch(hash); }
  /// Requires: `id` was given out.
  [[nodiscard]] std::string name(std::uint64_t id) const { return std::string(text(id)); }
  /// The same, which lives as long as the dictionary, or memory() of it.
  [[nodiscard]] std::string_view text(std::uint64_t id) const;
  /// What keeps every text where it is.
  [[nodiscard]] std::shared_ptr<const void> memory() const noexcept { return names_; }
  [[nodiscard]] std::size_t size() const noexcept { return names_->size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return names_->memory_bytes(); }

  /// Gives a stored name its id again. Pairs must come ascending by id, without a gap, before intern() is called.
  /// Restored pairs are not pending.
  /// Returns: false when `id` is not the next one or `name` has one already: the pairs are damaged.
  [[nodiscard]] bool restore(std::string_view name, std::uint64_t id);

  /// The pairs given out since the last confirmed call. They are handed out again until `confirm_pending` says that
  /// they are stored, so that a failed write loses none.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> pending() const;
  /// Marks every pair up to and including `last_id` as stored. Requires: `last_id` was given out.
  void confirm_pending(std::uint64_t last_id);

 private:
  /// Synchronises its readers itself; `mutex_` makes its writers one.
  const std::shared_ptr<NameTable> names_ = std::make_shared<NameTable>();

  mutable Mutex mutex_;
  std::uint64_t stored_ CAIRN_GUARDED_BY(mutex_) = 0;  ///< ids below this are stored
};

}  // namespace cairn::features
