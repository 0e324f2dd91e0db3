#include "features/value.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <utility>

#include "features/decay.h"

namespace cairn::features {
namespace {

using Recency = std::pair<std::int64_t, std::uint64_t>;

Recency recency(const Entry& entry) noexcept { return {entry.value.newest_ms, entry.dimension}; }

// Of two events of the same millisecond the larger weight counts: an answer must not depend on which came first.
std::int64_t newer_micros(const Value& a, const Value& b) noexcept {
  if (a.newest_ms != b.newest_ms) return a.newest_ms > b.newest_ms ? a.micros : b.micros;
  return std::max(a.micros, b.micros);
}

void combine_decayed(const Value& other, Value* into) noexcept {
  const DecayedSum sum = add({into->mantissa, into->exponent}, {other.mantissa, other.exponent});
  into->mantissa = sum.mantissa;
  into->exponent = sum.exponent;
}

// Everything at or above the threshold stays: recencies are distinct, since dimensions are.
Recency oldest_to_keep(const std::vector<Entry>& entries, std::size_t keep) {
  std::vector<Recency> all(entries.size());
  std::transform(entries.begin(), entries.end(), all.begin(), recency);
  const auto nth = all.begin() + static_cast<std::ptrdiff_t>(keep - 1);
  std::nth_element(all.begin(), nth, all.end(), std::greater<>());
  return *nth;
}

}  // namespace

std::int64_t to_micros(double weight) noexcept {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63, the first double beyond int64
  const double micros = weight * kMicrosPerUnit;
  // Compared as doubles: converting a double beyond int64 is undefined.
  if (micros >= kLimit) return std::numeric_limits<std::int64_t>::max();
  if (micros <= -kLimit) return std::numeric_limits<std::int64_t>::min();
  return std::llround(micros);
}

bool known(Aggregate aggregate) noexcept { return aggregate >= Aggregate::kCount && aggregate <= Aggregate::kSequence; }

void combine(Aggregate aggregate, const Value& other, Value* into) noexcept {
  switch (aggregate) {
    case Aggregate::kCount:
    case Aggregate::kSequence:
      break;
    case Aggregate::kSum:
    case Aggregate::kMean:
      into->micros = saturating_add(into->micros, other.micros);
      break;
    case Aggregate::kMin:
      into->micros = std::min(into->micros, other.micros);
      break;
    case Aggregate::kMax:
      into->micros = std::max(into->micros, other.micros);
      break;
    case Aggregate::kLast:
      into->micros = newer_micros(*into, other);
      break;
    case Aggregate::kDecayedSum:
      combine_decayed(other, into);
      break;
  }
  into->count = saturating_add(into->count, other.count);
  into->newest_ms = std::max(into->newest_ms, other.newest_ms);
}

void keep_newest(Aggregate aggregate, std::uint32_t max_entries, std::vector<Entry>* entries) {
  if (max_entries == 0 || entries->size() <= max_entries) return;
  if (aggregate == Aggregate::kSequence) {
    // A sequence ascends by time, so its newest entries are the last.
    entries->erase(entries->begin(), entries->end() - static_cast<std::ptrdiff_t>(max_entries));
    return;
  }
  const Recency threshold = oldest_to_keep(*entries, max_entries);
  std::erase_if(*entries, [&](const Entry& entry) { return recency(entry) < threshold; });
}

void sort_and_combine(Aggregate aggregate, std::vector<Entry>* entries) {
  if (entries->size() < 2) return;
  const auto before = [&](const Entry& a, const Entry& b) { return compare_keys(aggregate, a, b) < 0; };
  // Often nothing is to be sorted: a batch comes nearly in time order, and many entities have one entry.
  if (!std::is_sorted(entries->begin(), entries->end(), before)) {
    // Stable, so that decayed sums of equal keys are added in the order in which events came.
    std::stable_sort(entries->begin(), entries->end(), before);
  }
  auto last = entries->begin();
  for (auto it = std::next(last); it != entries->end(); ++it) {
    if (compare_keys(aggregate, *last, *it) == 0) {
      combine(aggregate, it->value, &last->value);
    } else if (++last != it) {
      *last = *it;
    }
  }
  entries->erase(std::next(last), entries->end());
}

}  // namespace cairn::features
