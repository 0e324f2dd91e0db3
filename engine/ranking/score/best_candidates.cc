#include "engine/ranking/score/best_candidates.h"

#include <algorithm>

#include "gpu/select_k.h"

namespace cairn::ranking {

std::vector<std::uint32_t> best_candidates(const PlaceIndex& index, std::span<const PlaceIndex::Near> candidates,
                                           std::span<const float> scores, std::size_t limit) {
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    if (scores[a] != scores[b]) return scores[a] > scores[b];
    if (candidates[a].meters != candidates[b].meters) return candidates[a].meters < candidates[b].meters;
    return index.place(candidates[a].row).id < index.place(candidates[b].row).id;
  };
  std::vector<std::uint32_t> best;
  gpu::select_k(scores, limit, &best);
  if (!best.empty() && best.size() < scores.size()) {
    // select_k settles ties by row. Which of those that tie with the last one belong here is decided again, among all
    // of them: they are collected in one pass and only as many as are needed are brought in front.
    const float last = scores[best.back()];
    const std::size_t wanted = best.size();
    const auto first_tie = std::find_if(best.begin(), best.end(), [&](std::uint32_t i) { return scores[i] == last; });
    const auto ties_begin = first_tie - best.begin();
    best.erase(first_tie, best.end());
    for (std::uint32_t i = 0; i < scores.size(); ++i) {
      if (scores[i] == last) best.push_back(i);
    }
    const auto cut = best.begin() + static_cast<std::ptrdiff_t>(wanted);
    if (cut != best.end()) std::nth_element(best.begin() + ties_begin, cut, best.end(), before);
    best.resize(wanted);
  }
  // They stand by score: what ties is set in order among itself.
  for (auto tie = best.begin(); tie != best.end();) {
    const auto end = std::find_if(tie, best.end(), [&](std::uint32_t i) { return scores[i] != scores[*tie]; });
    std::sort(tie, end, before);
    tie = end;
  }
  return best;
}

}  // namespace cairn::ranking
