#include "features/dictionary.h"

#include <algorithm>

#include "cairn/check.h"

namespace cairn::features {

std::uint64_t Dictionary::intern(std::string_view name) {
  const std::uint64_t hash = NameTable::hash(name);
  // Nearly every name is known already. The second look is for a name that another thread has added meanwhile.
  if (const auto known = names_->find(name, hash)) return *known;
  const MutexLock lock(mutex_);
  if (const auto known = names_->find(name, hash)) return *known;
  return names_->add(name, hash);
}

std::string_view Dictionary::text(std::uint64_t id) const {
  CAIRN_CHECK_MSG(id < names_->size(), "dictionary id " + std::to_string(id));
  return names_->name(static_cast<std::uint32_t>(id));
}

bool Dictionary::restore(std::string_view name, std::uint64_t id) {
  const std::uint64_t hash = NameTable::hash(name);
  const MutexLock lock(mutex_);
  if (id != names_->size() || names_->find(name, hash)) return false;
  names_->add(name, hash);
  stored_ = id + 1;
  return true;
}

std::vector<std::pair<std::string, std::uint64_t>> Dictionary::pending() const {
  const MutexLock lock(mutex_);
  const std::uint32_t end = names_->size();
  std::vector<std::pair<std::string, std::uint64_t>> pairs;
  pairs.reserve(end - stored_);
  for (std::uint64_t id = stored_; id < end; ++id) {
    pairs.emplace_back(names_->name(static_cast<std::uint32_t>(id)), id);
  }
  return pairs;
}

void Dictionary::confirm_pending(std::uint64_t last_id) {
  const MutexLock lock(mutex_);
  CAIRN_CHECK_MSG(last_id < names_->size(), "dictionary id " + std::to_string(last_id));
  // Two writers may confirm in any order: the larger id counts, since ids are stored in order.
  stored_ = std::max(stored_, last_id + 1);
}

}  // namespace cairn::features
