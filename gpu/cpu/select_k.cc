#include "gpu/select_k.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace cairn::gpu {

namespace {

/// Ascends where (score descends, row ascends).
std::uint64_t sort_key(float score, std::uint32_t row) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0.0 becomes 0.0
  const std::uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return std::uint64_t{~ascending} << 32 | row;
}

/// Where many of the scores are wanted, a heap moves nearly all of them about. Whole numbers are sorted at once.
void sort_many(std::span<const float> scores, std::size_t k, std::vector<std::uint32_t>* rows) {
  std::vector<std::uint64_t> keys;
  keys.reserve(scores.size());
  for (std::uint32_t row = 0; row < scores.size(); ++row) {
    if (!std::isnan(scores[row])) keys.push_back(sort_key(scores[row], row));
  }
  if (k < keys.size()) {
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(k), keys.end());
    keys.resize(k);
  }
  std::sort(keys.begin(), keys.end());
  for (const std::uint64_t key : keys) rows->push_back(static_cast<std::uint32_t>(key));
}

}  // namespace

void select_k(std::span<const float> scores, std::size_t k, std::vector<std::uint32_t>* rows) {
  rows->clear();
  if (k == 0) return;
  if (scores.size() / 8 <= k) {
    sort_many(scores, k, rows);
    return;
  }
  const auto better = [&](std::uint32_t a, std::uint32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
  };
  // A heap of the best so far, the worst of them on top. Rows come in ascending order, so a row that only ties with
  // the worst can never displace it, and one comparison settles nearly every row.
  for (std::uint32_t row = 0; row < scores.size(); ++row) {
    if (std::isnan(scores[row])) continue;
    if (rows->size() < k) {
      rows->push_back(row);
      std::push_heap(rows->begin(), rows->end(), better);
    } else if (scores[row] > scores[rows->front()]) {
      std::pop_heap(rows->begin(), rows->end(), better);
      rows->back() = row;
      std::push_heap(rows->begin(), rows->end(), better);
    }
  }
  std::sort_heap(rows->begin(), rows->end(), better);
}

}  // namespace cairn::gpu
