#include "engine/learning/interactions.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "cairn/check.h"
#include "engine/model/item_ids.h"
#include "gpu/top_k.h"

namespace cairn::learning {

std::uint32_t InteractionsBuilder::Names::row_of(std::string_view name) {
  const auto found = numbers_.find(name);
  if (found != numbers_.end()) return found->second;
  CAIRN_CHECK(numbers_.size() < gpu::kNoRow);
  return numbers_.emplace(std::string(name), static_cast<std::uint32_t>(numbers_.size())).first->second;
}

std::vector<std::string> InteractionsBuilder::Names::sorted(std::vector<std::uint32_t>* order) && {
  std::vector<std::string> names(numbers_.size());
  while (!numbers_.empty()) {
    auto node = numbers_.extract(numbers_.begin());
    names[node.mapped()] = std::move(node.key());
  }
  std::vector<std::uint32_t> by_id(names.size());
  std::iota(by_id.begin(), by_id.end(), 0U);
  std::sort(by_id.begin(), by_id.end(), [&](auto a, auto b) { return model::id_before(names[a], names[b]); });
  order->resize(names.size());
  std::vector<std::string> ordered(names.size());
  for (std::uint32_t row = 0; row < by_id.size(); ++row) {
    (*order)[by_id[row]] = row;
    ordered[row] = std::move(names[by_id[row]]);
  }
  return ordered;
}

void InteractionsBuilder::add(std::string_view user, std::string_view item, float weight) {
  pairs_.push_back({users_.row_of(user), items_.row_of(item), weight});
}

void InteractionsBuilder::unite_repeats() {
  std::stable_sort(pairs_.begin(), pairs_.end(), by_row);  // stable: sums are taken in the order of reading
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pairs_.size();) {
    Pair pair = pairs_[i];
    double sum = 0.0;
    for (; i < pairs_.size() && pairs_[i].user == pair.user && pairs_[i].item == pair.item; ++i) {
      sum += static_cast<double>(pairs_[i].weight);
    }
    pair.weight = repeats_ == Repeats::kOnce ? 1.0F : static_cast<float>(sum);
    if (pair.weight > 0.0F) pairs_[kept++] = pair;
  }
  pairs_.resize(kept);
}

void InteractionsBuilder::renumber(Interactions* made) {
  std::vector<std::uint32_t> user_row;
  std::vector<std::uint32_t> item_row;
  made->users = std::move(users_).sorted(&user_row);
  std::vector<std::string> items = std::move(items_).sorted(&item_row);
  std::vector<std::uint32_t> kept_row(items.size(), gpu::kNoRow);
  for (Pair& pair : pairs_) {
    pair.user = user_row[pair.user];
    pair.item = item_row[pair.item];
    kept_row[pair.item] = 0;
  }
  for (std::size_t row = 0; row < items.size(); ++row) {
    if (kept_row[row] == gpu::kNoRow) continue;
    kept_row[row] = static_cast<std::uint32_t>(made->items.size());
    made->items.push_back(std::move(items[row]));
  }
  for (Pair& pair : pairs_) pair.item = kept_row[pair.item];
}

Interactions InteractionsBuilder::finish() && {
  Interactions made;
  unite_repeats();
  renumber(&made);
  std::sort(pairs_.begin(), pairs_.end(), by_row);
  made.offsets.assign(made.users.size() + 1, 0);
  made.columns.reserve(pairs_.size());
  const bool weighed = std::any_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.weight != 1.0F; });
  for (const Pair& pair : pairs_) {
    ++made.offsets[pair.user + 1];
    made.columns.push_back(pair.item);
    if (weighed) made.values.push_back(pair.weight);
  }
  std::partial_sum(made.offsets.begin(), made.offsets.end(), made.offsets.begin());
  return made;
}

}  // namespace cairn::learning
