#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace cairn::sql {

/// The rule by which repeats are left out, as plainly as it can be written down: the ids themselves, in one list a
/// generation, searched from end to end.
class NaiveEventIds {
 public:
  explicit NaiveEventIds(std::uint64_t dedup_ids) { set_dedup_ids(dedup_ids); }

  /// From now on, as with a new configuration: what is in the lists stays.
  void set_dedup_ids(std::uint64_t dedup_ids) { ids_in_list_ = std::max<std::uint64_t>(dedup_ids / 2, 1); }

  /// Whether an event with this id counts; an empty id is none.
  bool counts(const std::string& id) {
    if (id.empty()) return true;
    for (const std::vector<std::string>& list : lists_) {
      if (std::find(list.begin(), list.end(), id) != list.end()) return false;
    }
    if (lists_.back().size() >= ids_in_list_) lists_.emplace_back();
    if (lists_.size() > 2) {
      lists_.pop_front();
      ++forgotten_lists_;
    }
    lists_.back().push_back(id);
    return true;
  }

  [[nodiscard]] std::size_t forgotten_lists() const { return forgotten_lists_; }
  /// Of the newest list.
  [[nodiscard]] std::size_t newest_ids() const { return lists_.back().size(); }
  /// Of both.
  [[nodiscard]] std::size_t ids() const { return newest_ids() + (lists_.size() == 2 ? lists_.front().size() : 0); }

 private:
  std::size_t ids_in_list_ = 1;
  std::deque<std::vector<std::string>> lists_{1};
  std::size_t forgotten_lists_ = 0;
};

}  // namespace cairn::sql
