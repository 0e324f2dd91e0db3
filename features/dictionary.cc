#include "features/dictionary.h"

#include <algorithm>

#include "cairn/check.h"

namespace cairn::features {

std::uint64_t Dictionary::intern(std::string_view name) {
  // Nearly every name is known already, and readers do not wait for one another. try_emplace looks again, because
  // another thread may have added the name between the two locks.
  if (const std::optional<std::uint64_t> known = find(name)) return *known;
  const WriterLock lock(mutex_);
  const auto [it, added] = ids_.try_emplace(std::string(name), names_.size());
  if (added) names_.push_back(&it->first);
  return it->second;
}

std::optional<std::uint64_t> Dictionary::find(std::string_view name) const {
  const ReaderLock lock(mutex_);
  const auto it = ids_.find(name);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::string Dictionary::name(std::uint64_t id) const {
  const ReaderLock lock(mutex_);
  CAIRN_CHECK_MSG(id < names_.size() && names_[id] != nullptr, "dictionary id " + std::to_string(id));
  return *names_[id];
}

std::size_t Dictionary::size() const {
  const ReaderLock lock(mutex_);
  return names_.size();
}

void Dictionary::restore(std::string_view name, std::uint64_t id) {
  const WriterLock lock(mutex_);
  CAIRN_CHECK_MSG(id < kIdsMax, "dictionary id " + std::to_string(id));
  // Pairs come in the order of the store, which is that of names: ids leave gaps that later pairs fill.
  if (id >= names_.size()) names_.resize(id + 1, nullptr);
  const auto [it, added] = ids_.try_emplace(std::string(name), id);
  CAIRN_CHECK_MSG(it->second == id && (names_[id] == nullptr || names_[id] == &it->first),
                  "dictionary id " + std::to_string(id) + " restored twice");
  names_[id] = &it->first;
  stored_ = std::max(stored_, id + 1);
}

std::vector<std::pair<std::string, std::uint64_t>> Dictionary::pending() const {
  const ReaderLock lock(mutex_);
  std::vector<std::pair<std::string, std::uint64_t>> pairs;
  pairs.reserve(names_.size() - stored_);
  for (std::uint64_t id = stored_; id < names_.size(); ++id) pairs.emplace_back(*names_[id], id);
  return pairs;
}

void Dictionary::confirm_pending(std::uint64_t last_id) {
  const WriterLock lock(mutex_);
  CAIRN_CHECK_MSG(last_id < names_.size(), "dictionary id " + std::to_string(last_id));
  // Two writers may confirm in any order: the larger id counts, since ids are stored in order.
  stored_ = std::max(stored_, last_id + 1);
}

}  // namespace cairn::features
