#include "features/row.h"

#include <algorithm>
#include <utility>

#include "features/value.h"

namespace cairn::features {
namespace {

int compare_blocks(const ViewBlock& a, const ViewBlock& b) noexcept {
  return a.view < b.view ? -1 : (b.view < a.view ? 1 : 0);
}

// How many of the ascending `wanted` are not in the ascending `from`: by so much the base will grow.
template <class T, class Compare>
std::size_t count_missing(const std::vector<T>& from, const std::vector<T>& wanted, Compare compare) {
  std::size_t missing = 0;
  auto have = from.begin();
  for (const T& item : wanted) {
    while (have != from.end() && compare(*have, item) < 0) ++have;
    if (have == from.end() || compare(*have, item) != 0) ++missing;
  }
  return missing;
}

// Merges ascending `delta` into ascending `*base` in place, from the back, so that a base that holds every key already
// (the usual case) moves nothing and allocates nothing.
template <class T, class Compare, class Combine>
void merge_ascending(const std::vector<T>& delta, Compare compare, Combine combine_into, std::vector<T>* base) {
  const std::size_t missing = count_missing(*base, delta, compare);
  std::size_t from = base->size();
  base->resize(from + missing);
  std::size_t to = base->size();
  for (std::size_t next = delta.size(); next > 0;) {
    const T& item = delta[next - 1];
    const int order = from == 0 ? -1 : compare((*base)[from - 1], item);
    // The delta has a key that the base lacks: it takes the place at the back.
    if (order < 0) {
      (*base)[--to] = item;
      --next;
      continue;
    }
    --to;
    --from;
    // Equal once every missing key has been placed; from there on nothing moves.
    if (to != from) (*base)[to] = std::move((*base)[from]);
    if (order == 0) {
      combine_into(item, &(*base)[to]);
      --next;
    }
  }
}

void merge_block(const ViewBlock& delta, ViewBlock* base) {
  // The two have no sum. The delta was made with the newer definition.
  if (base->aggregate != delta.aggregate || base->half_life_ms != delta.half_life_ms) {
    *base = delta;
    return;
  }
  const Aggregate aggregate = delta.aggregate;
  merge_ascending(
      delta.entries, [=](const Entry& a, const Entry& b) { return compare_keys(aggregate, a, b); },
      [=](const Entry& entry, Entry* into) { combine(aggregate, entry.value, &into->value); }, &base->entries);
  base->max_entries = delta.max_entries;
  base->ttl_ms = delta.ttl_ms;
}

}  // namespace

const ViewBlock* Row::find(std::uint32_t view) const noexcept {
  const auto it = std::lower_bound(blocks.begin(), blocks.end(), view,
                                   [](const ViewBlock& block, std::uint32_t id) { return block.view < id; });
  return it != blocks.end() && it->view == view ? &*it : nullptr;
}

std::size_t Row::memory_bytes() const noexcept {
  std::size_t bytes = sizeof(Row) + blocks.capacity() * sizeof(ViewBlock);
  for (const ViewBlock& block : blocks) bytes += block.entries.capacity() * sizeof(Entry);
  return bytes;
}

void merge_row(Row* row, const Row& delta) {
  merge_ascending(delta.blocks, compare_blocks, merge_block, &row->blocks);
  // After the merge, not before: an entry that is old in one of the two may be new in the other.
  for (ViewBlock& block : row->blocks) keep_newest(block.aggregate, block.max_entries, &block.entries);
}

}  // namespace cairn::features
