#include "gpu/select_k.h"

#include <algorithm>
#include <cmath>

namespace cairn::gpu {

void select_k(std::span<const float> scores, std::size_t k, std::vector<std::uint32_t>* rows) {
  rows->clear();
  if (k == 0) return;
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
