#include "features/delta_row.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "features/value.h"

namespace cairn::features {
namespace {

constexpr std::size_t kEntriesFirst = 4;       // the usual event changes three or four entries of an entity
constexpr std::size_t kEntriesUnindexed = 12;  // so few are found faster by looking at each
constexpr std::size_t kThinOutFirst = 2048;

std::size_t hash_of(const View* view, std::uint64_t dimension) noexcept {
  std::uint64_t h = (dimension ^ (std::uint64_t{view->id} << 56)) * 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(h ^ (h >> 29));
}

bool is_sequence(const View& view) noexcept { return view.spec.aggregate == Aggregate::kSequence; }

ViewBlock block_of(const View& view) {
  return {.view = view.id,
          .aggregate = view.spec.aggregate,
          .max_entries = view.spec.max_entries,
          .half_life_ms = std::chrono::milliseconds(view.spec.half_life).count(),
          .ttl_ms = std::chrono::milliseconds(view.spec.ttl).count(),
          .entries = {}};
}

}  // namespace

void DeltaRow::add(const Change& change) {
  if (is_sequence(*change.view)) {
    if (thin_out_at_ == 0) thin_out_at_ = kThinOutFirst;
    if (entries_.size() >= thin_out_at_) thin_out_sequences();
    return append(change);
  }
  Flat* const known = find(change);
  if (known == nullptr) return append(change);
  combine(change.view->spec.aggregate, change.value, &known->entry.value);
}

DeltaRow::Flat* DeltaRow::find(const Change& change) noexcept {
  const auto matches = [&](const Flat& flat) {
    return flat.view == change.view && flat.entry.dimension == change.dimension;
  };
  if (index_.empty()) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), matches);
    return found == entries_.end() ? nullptr : &*found;
  }
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash_of(change.view, change.dimension) & mask; index_[at] != 0; at = (at + 1) & mask) {
    Flat& flat = entries_[index_[at] - 1];
    if (matches(flat)) return &flat;
  }
  return nullptr;
}

void DeltaRow::append(const Change& change) {
  if (entries_.capacity() == 0) entries_.reserve(kEntriesFirst);
  entries_.push_back({change.view, {.dimension = change.dimension, .value = change.value}});
  if (entries_.size() <= kEntriesUnindexed) return;
  if (index_.size() < 2 * entries_.size()) return rebuild_index();
  enter(static_cast<std::uint32_t>(entries_.size() - 1));
}

void DeltaRow::enter(std::uint32_t position) noexcept {
  const Flat& flat = entries_[position];
  // Nobody looks for an event of a sequence.
  if (is_sequence(*flat.view)) return;
  const std::size_t mask = index_.size() - 1;
  std::size_t at = hash_of(flat.view, flat.entry.dimension) & mask;
  while (index_[at] != 0) at = (at + 1) & mask;
  index_[at] = position + 1;
}

void DeltaRow::rebuild_index() {
  index_.assign(std::bit_ceil(4 * entries_.size()), 0);
  for (std::uint32_t position = 0; position < entries_.size(); ++position) enter(position);
}

/// What a bound would drop anyhow goes now, so that an entity with very many events takes no memory for each. When that
/// frees less than half, there is more room before the next time: so the cost of an event stays the same.
void DeltaRow::thin_out_sequences() {
  const auto first = std::stable_partition(entries_.begin(), entries_.end(),
                                           [](const Flat& flat) { return !is_sequence(*flat.view); });
  std::vector<Flat> events(first, entries_.end());
  entries_.erase(first, entries_.end());
  for (const ViewBlock& block : to_row(events).blocks) {
    const auto of_block =
        std::find_if(events.begin(), events.end(), [&](const Flat& flat) { return flat.view->id == block.view; });
    for (const Entry& entry : block.entries) entries_.push_back({of_block->view, entry});
  }
  thin_out_at_ = std::max(kThinOutFirst, 2 * entries_.size());
  if (!index_.empty()) rebuild_index();
}

Row to_row(std::vector<DeltaRow::Flat> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const DeltaRow::Flat& a, const DeltaRow::Flat& b) { return a.view->id < b.view->id; });
  Row row;
  for (auto begin = entries.begin(); begin != entries.end();) {
    const View& view = *begin->view;
    const auto end = std::find_if(begin, entries.end(), [&](const DeltaRow::Flat& flat) { return flat.view != &view; });
    ViewBlock& block = row.blocks.emplace_back(block_of(view));
    block.entries.reserve(static_cast<std::size_t>(end - begin));
    for (; begin != end; ++begin) block.entries.push_back(begin->entry);
    sort_and_combine(block.aggregate, &block.entries);
    keep_newest(block.aggregate, block.max_entries, &block.entries);
  }
  return row;
}

}  // namespace cairn::features
