#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "features/decay.h"
#include "features/row.h"
#include "features/row_raw.h"
#include "features/value.h"

// Merging rows, and thinning them out, in their raw form: sums of one event are computed only where another is added.

namespace cairn::features {
namespace {

void append(std::span<const RawEntry> entries, RawRow* to) {
  to->entries.insert(to->entries.end(), entries.begin(), entries.end());
}

// Adds `other` to the last entry of `*to`.
void combine_into_last(const RawBlock& block, RawEntry other, RawRow* to) {
  RawEntry& into = to->entries.back();
  unfold(block.half_life_ms, &into);
  unfold(block.half_life_ms, &other);
  combine(block.aggregate, other.value, &into.value);
  if (block.aggregate == Aggregate::kDecayedSum) settle(block.half_life_ms, &into);
}

// The base is long and the delta short, so the base is copied in runs, from key to key of the delta.
void merge_entries(const RawBlock& block, std::span<const RawEntry> base, std::span<const RawEntry> delta, RawRow* to) {
  const auto before = [&](const RawEntry& a, const RawEntry& b) { return compare_keys(block.aggregate, a, b) < 0; };
  for (const RawEntry& entry : delta) {
    const auto at = std::lower_bound(base.begin(), base.end(), entry, before);
    const bool both = at != base.end() && compare_keys(block.aggregate, *at, entry) == 0;
    const auto run = static_cast<std::size_t>(at - base.begin()) + (both ? 1 : 0);
    append(base.first(run), to);
    base = base.subspan(run);
    if (both) {
      combine_into_last(block, entry, to);
    } else {
      to->entries.push_back(entry);
    }
  }
  append(base, to);
}

using Recency = std::pair<std::int64_t, std::uint64_t>;

Recency recency(const Entry& entry) noexcept { return {entry.value.newest_ms, entry.dimension}; }

// keep_newest() of value.h for the last block of a row.
void keep_newest_of_last(RawBlock* block, RawRow* row) {
  const std::uint32_t keep = block->max_entries;
  if (keep == 0 || block->size() <= keep) return;
  const auto begin = row->entries.begin() + static_cast<std::ptrdiff_t>(block->begin);
  if (block->aggregate == Aggregate::kSequence) {
    // A sequence ascends by time, so its newest entries are the last.
    row->entries.erase(begin, row->entries.end() - static_cast<std::ptrdiff_t>(keep));
  } else {
    std::vector<Recency> all(block->size());
    std::transform(begin, row->entries.end(), all.begin(), recency);
    const auto oldest = all.begin() + static_cast<std::ptrdiff_t>(keep - 1);
    std::nth_element(all.begin(), oldest, all.end(), std::greater<>());
    row->entries.erase(std::remove_if(begin, row->entries.end(), [&](const Entry& e) { return recency(e) < *oldest; }),
                       row->entries.end());
  }
  block->end = row->entries.size();
}

// Appends the block that `base` and `delta` make; either may be null.
void merge_block(const RawRow& base_row, const RawBlock* base, const RawRow& delta_row, const RawBlock* delta,
                 RawRow* to) {
  RawBlock block = delta != nullptr ? *delta : *base;
  block.begin = to->entries.size();
  // Two that cannot be added: the delta was made with the newer definition.
  const bool another = base != nullptr && delta != nullptr &&
                       (base->aggregate != delta->aggregate || base->half_life_ms != delta->half_life_ms);
  if (delta == nullptr) {
    append(base_row.of(*base), to);
  } else if (base == nullptr || another) {
    append(delta_row.of(*delta), to);
  } else {
    merge_entries(block, base_row.of(*base), delta_row.of(*delta), to);
  }
  block.end = to->entries.size();
  keep_newest_of_last(&block, to);
  to->blocks.push_back(block);
}

// merge_row() for raw rows: `*to` becomes the sum.
void merge_raw(const RawRow& base, const RawRow& delta, RawRow* to) {
  to->clear();
  to->blocks.reserve(base.blocks.size() + delta.blocks.size());
  to->entries.reserve(base.entries.size() + delta.entries.size());
  auto a = base.blocks.begin();
  auto b = delta.blocks.begin();
  while (a != base.blocks.end() || b != delta.blocks.end()) {
    const bool from_base = a != base.blocks.end() && (b == delta.blocks.end() || a->view <= b->view);
    const bool from_delta = b != delta.blocks.end() && (a == base.blocks.end() || b->view <= a->view);
    merge_block(base, from_base ? &*a : nullptr, delta, from_delta ? &*b : nullptr, to);
    a += from_base ? 1 : 0;
    b += from_delta ? 1 : 0;
  }
}

// `*merged` becomes the base with `delta` added. Returns: false for a base that cannot be decoded.
bool merge_into_base(std::string_view base, const RawRow& delta, RawRow* row, RawRow* merged) {
  if (read_raw_for(delta, base, row) != nullptr) return false;
  merge_raw(*row, delta, merged);
  // What was left encoded counts in the units of the base. Seldom the row has come to another one.
  if (!row->partial() || (!merged->entries.empty() && time_unit(*merged) == row->unit)) return true;
  if (read_raw(base, row) != nullptr) return false;
  merge_raw(*row, delta, merged);
  return true;
}

// ---- fading -------------------------------------------------------------------------------------------------------

constexpr int kFadedDoublings = -20;

bool sum_faded(const RawBlock& block, RawEntry entry, std::int64_t now_ms) noexcept {
  const std::int64_t age_ms = saturating_subtract(now_ms, entry.value.newest_ms);
  if (age_ms <= 0) return false;
  if (entry.single && entry.value.micros != 0) {
    // A weight of at least 2^k micros has after k half-lives more than 2^-20 left: the usual case, told by integers.
    const auto doublings =
        static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(std::abs(entry.value.micros)))) - 1;
    if (age_ms / block.half_life_ms < doublings) return false;
  }
  unfold(block.half_life_ms, &entry);
  const double left = value_at({entry.value.mantissa, entry.value.exponent}, decay_time(now_ms, block.half_life_ms));
  return std::abs(left) < std::ldexp(1.0, kFadedDoublings);
}

/// The rule of within_ttl().
bool past_ttl(const RawBlock& block, const RawEntry& entry, std::int64_t now_ms) noexcept {
  return block.ttl_ms != 0 && saturating_subtract(now_ms, entry.value.newest_ms) > block.ttl_ms;
}

bool faded(const RawBlock& block, const RawEntry& entry, std::int64_t now_ms) noexcept {
  if (past_ttl(block, entry, now_ms)) return true;
  return block.half_life_ms != 0 && sum_faded(block, entry, now_ms);
}

/// Of a block without entries left: whether it had a value until its TTL passed. Then it stays, empty, to say so.
bool lost_to_ttl(const RawBlock& block, std::span<const RawEntry> entries, std::int64_t now_ms) noexcept {
  if (entries.empty()) return block.ttl_ms != 0;
  return std::any_of(entries.begin(), entries.end(),
                     [&](const RawEntry& entry) { return past_ttl(block, entry, now_ms); });
}

void copy_unfaded(const RawRow& row, std::int64_t now_ms, RawRow* to) {
  to->clear();
  for (RawBlock block : row.blocks) {
    const std::span<const RawEntry> entries = row.of(block);
    block.begin = to->entries.size();
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(to->entries),
                 [&](const RawEntry& entry) { return !faded(block, entry, now_ms); });
    block.end = to->entries.size();
    if (block.size() > 0 || lost_to_ttl(block, entries, now_ms)) to->blocks.push_back(block);
  }
}

}  // namespace

std::size_t merge_encoded_rows(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                               std::string* merged) {
  Scratch scratch;
  // Operands are small and the base may be large: they are summed first, and the base is walked once.
  std::size_t left_out = 0;
  RawRow* sum = &scratch.row(0);
  RawRow* next = &scratch.row(1);
  RawRow& one = scratch.row(2);
  for (const std::string_view bytes : operands) {
    if (read_raw(bytes, &one) == nullptr) {
      merge_raw(*sum, one, next);
      std::swap(sum, next);
    } else {
      ++left_out;
    }
  }
  if (base) {
    if (!merge_into_base(*base, *sum, &one, next)) {
      merged->assign(*base);
      return operands.size();
    }
    std::swap(sum, next);
  }
  write_raw(*sum, merged);
  return left_out;
}

Faded drop_faded(std::string_view bytes, std::int64_t now_ms, std::string* kept) {
  Scratch scratch;
  RawRow& row = scratch.row(0);
  RawRow& rest = scratch.row(1);
  if (read_raw(bytes, &row) != nullptr || row.entries.empty()) return Faded::kNothing;
  copy_unfaded(row, now_ms, &rest);
  if (rest.entries.size() == row.entries.size()) return Faded::kNothing;
  if (rest.entries.empty()) return Faded::kEverything;
  write_raw(rest, kept);
  return Faded::kSome;
}

}  // namespace cairn::features
