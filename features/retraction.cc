#include "features/retraction.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "features/decay.h"
#include "features/value.h"

namespace cairn::features {
namespace {

ViewBlock* find_block(Row* row, std::uint32_t view) {
  const auto at = std::lower_bound(row->blocks.begin(), row->blocks.end(), view,
                                   [](const ViewBlock& block, std::uint32_t id) { return block.view < id; });
  return at != row->blocks.end() && at->view == view ? &*at : nullptr;
}

std::vector<Entry>::iterator find_entry(ViewBlock& block, const Entry& wanted) {
  const auto before = [&](const Entry& a, const Entry& b) { return compare_keys(block.aggregate, a, b) < 0; };
  const auto at = std::lower_bound(block.entries.begin(), block.entries.end(), wanted, before);
  const bool found = at != block.entries.end() && compare_keys(block.aggregate, *at, wanted) == 0;
  return found ? at : block.entries.end();
}

/// Whether the event cannot be among those that the entry is made of: it is newer than all of them, or beyond what they
/// reach. The entry was dropped since, and came back without it.
bool never_held(Aggregate aggregate, const Value& entry, const Value& event) noexcept {
  if (event.newest_ms > entry.newest_ms) return true;
  if (aggregate == Aggregate::kMin) return event.micros < entry.micros;
  return aggregate == Aggregate::kMax && event.micros > entry.micros;
}

bool at_an_end(std::int64_t v) noexcept {
  return v == std::numeric_limits<std::int64_t>::min() || v == std::numeric_limits<std::int64_t>::max();
}

/// Takes the event out of an entry that has more of them. Returns: whether the entry says exactly what the others say.
bool subtract(Aggregate aggregate, const Value& event, Value* value) noexcept {
  // Of equally new events any may be the one that goes.
  bool exact = event.newest_ms < value->newest_ms;
  switch (aggregate) {
    case Aggregate::kCount:
    case Aggregate::kSequence:
      break;
    case Aggregate::kSum:
    case Aggregate::kMean:
      exact = exact && !at_an_end(value->micros);
      value->micros = saturating_subtract(value->micros, event.micros);
      break;
    case Aggregate::kMin:
    case Aggregate::kMax:
      exact = exact && event.micros != value->micros;
      break;
    case Aggregate::kLast:
      break;  // that of the newest event, which is still there when the time is exact
    case Aggregate::kDecayedSum: {
      const DecayedSum left = add({value->mantissa, value->exponent}, {-event.mantissa, event.exponent});
      value->mantissa = left.mantissa;
      value->exponent = left.exponent;
      break;
    }
  }
  value->count -= event.count;
  return exact;
}

/// The view's definition as the block has it: a block of another one does not hold the event.
bool same_kind(const ViewBlock& block, const View& view) {
  const std::int64_t half_life =
      view.spec.aggregate == Aggregate::kDecayedSum ? std::chrono::milliseconds(view.spec.half_life).count() : 0;
  return block.aggregate == view.spec.aggregate && block.half_life_ms == half_life;
}

/// How many entries a block can have by its dimension.
std::size_t entries_possible(Dimension dimension) noexcept {
  switch (dimension) {
    case Dimension::kNone:
      return 1;
    case Dimension::kHourOfWeek:
      return 168;
    case Dimension::kType:
      return InteractionTypes::kTypesMax;
    default:
      return std::numeric_limits<std::size_t>::max();
  }
}

/// Whether the bound may have dropped the entry after the event had come, so that it began anew without it. What a
/// bound drops is older than all that stays: where something is older than the event, nothing so new was ever dropped.
bool may_have_begun_anew(const ViewBlock& block, const Change& change) noexcept {
  if (block.aggregate == Aggregate::kSequence || block.max_entries == 0) return false;
  if (block.entries.size() < block.max_entries) return false;
  if (entries_possible(change.view->spec.dimension) <= block.max_entries) return false;
  return std::all_of(block.entries.begin(), block.entries.end(),
                     [&](const Entry& entry) { return entry.value.newest_ms >= change.value.newest_ms; });
}

void take_out_one(const Change& change, Row* row, TakenOut* taken) {
  ViewBlock* const block = find_block(row, change.view->id);
  if (block == nullptr || !same_kind(*block, *change.view)) {
    ++taken->lost;
    return;
  }
  const auto at = find_entry(*block, {change.dimension, change.value});
  if (at == block->entries.end() || never_held(block->aggregate, at->value, change.value)) {
    ++taken->lost;
    return;
  }
  ++taken->values;
  if (may_have_begun_anew(*block, change)) ++taken->lost;
  if (at->value.count <= change.value.count) {
    block->entries.erase(at);
    // As in a row that the event never came to.
    if (block->entries.empty()) row->blocks.erase(row->blocks.begin() + (block - row->blocks.data()));
    return;
  }
  if (block->aggregate == Aggregate::kSequence) {
    at->value.count -= change.value.count;  // of events that are alike: the others are as new
    return;
  }
  if (!subtract(block->aggregate, change.value, &at->value)) taken->inexact.push_back({block->view, change.dimension});
}

/// Whether these are one sum but for rounding, which differs with the order of the events and with what was taken out.
bool alike(const Value& fresh, const Value& kept, std::int64_t half_life_ms) noexcept {
  constexpr double kOfIt = 1e-6;
  const DecayedSum off = add({fresh.mantissa, fresh.exponent}, {-kept.mantissa, kept.exponent});
  if (off.mantissa == 0.0) return true;
  DecayedSum of{kept.mantissa, kept.exponent};
  // Of events that weigh nothing, or cancel out, rounding is all there is: it is little beside an event of weight 1.
  if (fresh.mantissa == 0.0) of = decayed(1.0, decay_time(fresh.newest_ms, half_life_ms));
  if (of.mantissa == 0.0) return false;
  return std::abs(off.mantissa / of.mantissa) * std::exp2(static_cast<double>(off.exponent - of.exponent)) <= kOfIt;
}

/// Whether `fresh` can be made of the very events that are behind `kept`.
bool same_events(const ViewBlock& block, const Value& fresh, const Value& kept) noexcept {
  if (fresh.count != kept.count || fresh.newest_ms > kept.newest_ms) return false;
  switch (block.aggregate) {
    case Aggregate::kSum:
    case Aggregate::kMean:
      return fresh.micros == kept.micros || at_an_end(kept.micros);
    case Aggregate::kMin:
      return fresh.micros >= kept.micros;
    case Aggregate::kMax:
      return fresh.micros <= kept.micros;
    case Aggregate::kDecayedSum:
      return alike(fresh, kept, block.half_life_ms);
    default:
      return true;
  }
}

}  // namespace

void take_out(const std::vector<Change>& changes, Row* row, TakenOut* taken) {
  for (const Change& change : changes) take_out_one(change, row, taken);
}

bool mend(const Row& fresh, Row* row, std::vector<InexactEntry>* inexact) {
  bool changed = false;
  const auto settled = [&](const InexactEntry& one) {
    ViewBlock* const block = find_block(row, one.view);
    if (block == nullptr) return true;
    const auto kept = find_entry(*block, {one.dimension, {}});
    if (kept == block->entries.end()) return true;
    const ViewBlock* const from = fresh.find(one.view);
    if (from == nullptr || from->aggregate != block->aggregate || from->half_life_ms != block->half_life_ms) {
      return false;
    }
    const auto found = std::lower_bound(from->entries.begin(), from->entries.end(), one.dimension,
                                        [](const Entry& entry, std::uint64_t d) { return entry.dimension < d; });
    if (found == from->entries.end() || found->dimension != one.dimension) return false;
    if (!same_events(*block, found->value, kept->value)) return false;
    Value mended = found->value;
    if (block->aggregate == Aggregate::kDecayedSum) {  // it was right but for rounding all the time
      mended.mantissa = kept->value.mantissa;
      mended.exponent = kept->value.exponent;
    }
    changed = changed || !(kept->value == mended);
    kept->value = mended;
    return true;
  };
  std::erase_if(*inexact, settled);
  return changed;
}

}  // namespace cairn::features
