#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/category.h"
#include "cairn/status.h"
#include "features/dictionary.h"
#include "storage/state_store.h"

namespace cairn::state {

/// Which categories are called otherwise by now. A category is a number of the dictionary, which rows keep for ever.
/// One that was renamed, or merged into another, points to the one whose name counts; rows that still have its number
/// are read as if they had the other's.
///
/// The owner sees to it that nobody reads while it is changed.
class CategoryNames {
 public:
  /// What categories become, by their numbers.
  using Changes = std::unordered_map<std::uint64_t, std::uint64_t>;

  /// `names` must outlive this.
  explicit CategoryNames(features::Dictionary& names) : names_(names) {}

  Status load(const storage::StateStore& store);

  [[nodiscard]] bool empty() const noexcept { return now_.empty(); }
  /// What the category is by now.
  [[nodiscard]] std::uint64_t now(std::uint64_t category) const {
    const auto at = now_.find(category);
    return at == now_.end() ? category : at->second;
  }
  /// The name that `name` stands for by now: itself, unless it is an old one.
  [[nodiscard]] std::string name_now(const std::string& name) const;
  /// The old names of each category that has any, by its number.
  [[nodiscard]] std::unordered_map<std::uint64_t, std::vector<std::string>> old_names() const;

  /// Returns: NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT, each with what to do instead.
  [[nodiscard]] Status check(const std::string& from, const std::string& to, CategoryTarget target) const;
  /// What `from`, and all that points to it, becomes: the pairs that change. Requires: check() said yes, and `to` is in
  /// the dictionary.
  [[nodiscard]] Changes changes(const std::string& from, const std::string& to) const;
  /// Puts changes into a batch, and, once they are stored, into force.
  static void put(const Changes& changes, storage::WriteBatch* batch);
  void apply(const Changes& changes);

 private:
  features::Dictionary& names_;
  std::unordered_map<std::uint64_t, std::uint64_t> now_;  ///< never to itself, and never in two steps
};

}  // namespace cairn::state
