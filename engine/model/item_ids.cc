#include "engine/model/item_ids.h"

#include <algorithm>

namespace cairn::model {
namespace {

/// A decimal number without leading zeros.
bool is_number(std::string_view id) noexcept {
  const bool digits = std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && !id.empty() && (id.size() == 1 || id[0] != '0');
}

}  // namespace

bool id_before(std::string_view a, std::string_view b) noexcept {
  const bool a_number = is_number(a);
  if (a_number != is_number(b)) return a_number;
  if (a_number && a.size() != b.size()) return a.size() < b.size();
  return a < b;
}

IdIndex::IdIndex(std::span<const std::string> ids) {
  rows_.reserve(ids.size());
  for (const std::string& id : ids) rows_.emplace(id, static_cast<std::uint32_t>(rows_.size()));
}

std::uint32_t IdIndex::find(std::string_view id) const noexcept {
  const auto found = rows_.find(id);
  return found == rows_.end() ? gpu::kNoRow : found->second;
}

std::vector<std::uint32_t> IdIndex::find_all(std::span<const std::string> ids) const {
  std::vector<std::uint32_t> rows;
  rows.reserve(ids.size());
  for (const std::string& id : ids) rows.push_back(find(id));
  return rows;
}

}  // namespace cairn::model
