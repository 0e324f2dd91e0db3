#include "engine/ranking/score/upper_bounds.h"

#include <algorithm>

#include "engine/ranking/score/best_candidates.h"

namespace cairn::ranking {

Status raise_to_bounds(const PlaceIndex& index, const AskedModel* model, double weight,
                       std::span<const PlaceIndex::Near> candidates, std::size_t pool, std::span<std::uint32_t> best,
                       std::vector<float>* scores) {
  if (model == nullptr || !model->has_bounds()) return ok_status();
  const std::span<std::uint32_t> front = best.first(std::min(best.size(), pool));
  std::vector<PlaceIndex::Near> places;
  std::vector<std::uint32_t> rows;
  for (const std::uint32_t i : front) {
    places.push_back(candidates[i]);
    rows.push_back(candidates[i].row);
  }
  CAIRN_ASSIGN_OR_RETURN(const std::vector<float> gains, model->gains(rows, weight));
  std::vector<float> raised;
  for (std::size_t i = 0; i < front.size(); ++i) {
    float& score = (*scores)[front[i]];
    score = static_cast<float>(static_cast<double>(score) + weight * static_cast<double>(gains[i]));
    raised.push_back(score);
  }
  std::vector<std::uint32_t> order;
  for (const std::uint32_t i : best_candidates(index, places, raised, raised.size())) order.push_back(front[i]);
  CAIRN_CHECK(order.size() == front.size());  // a score is a number, and so is what a bound adds
  std::copy(order.begin(), order.end(), front.begin());
  return ok_status();
}

}  // namespace cairn::ranking
