#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/mutex.h"

namespace cairn::features {

/// Strings to dense ids 0, 1, 2 … and back: what place ids and categories are stored as inside rows. An id is given
/// once and never changes; it must be stored no later than the first row that uses it (`pending`).
/// Thread-safe.
class Dictionary {
 public:
  /// Ids are below this: a bound on what a damaged pair can make restore() allocate.
  static constexpr std::uint64_t kIdsMax = std::uint64_t{1} << 32;

  /// The id of `name`, given out when new.
  std::uint64_t intern(std::string_view name);
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const;
  /// Requires: `id` was given out.
  [[nodiscard]] std::string name(std::uint64_t id) const;
  [[nodiscard]] std::size_t size() const;

  /// Restores a stored pair. Pairs may come in any order; every id below the largest must come before intern() is
  /// called. Restored pairs are not pending.
  /// Requires: id < kIdsMax; neither `name` nor `id` was given out or restored with another partner.
  void restore(std::string_view name, std::uint64_t id);

  /// The pairs given out since the last confirmed call. They are handed out again until `confirm_pending` says that
  /// they are stored, so that a failed write loses none.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> pending() const;
  /// Marks every pair up to and including `last_id` as stored. Requires: `last_id` was given out.
  void confirm_pending(std::uint64_t last_id);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  mutable SharedMutex mutex_;
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> ids_ CAIRN_GUARDED_BY(mutex_);
  std::vector<const std::string*> names_ CAIRN_GUARDED_BY(mutex_);  ///< by id; the keys of ids_, which never move
  std::uint64_t stored_ CAIRN_GUARDED_BY(mutex_) = 0;               ///< ids below this are stored
};

}  // namespace cairn::features
