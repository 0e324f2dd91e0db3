#include "engine/ranking/score/diversity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <vector>

#include "gpu/dot_products.h"

namespace cairn::ranking {
namespace {

constexpr double kNearMeters = 500.0;

/// How alike two places are by what the catalogue says of them.
double plain_similarity(const PlaceIndex& index, std::uint32_t a, std::uint32_t b) {
  const double meters = kEarthRadiusMeters * std::sqrt(squared_angle(index.point(a), index.point(b)));
  const bool same = index.category(a) == index.category(b) && index.category(a) != PlaceIndex::kNoCategory;
  return 0.5 * (same ? 1.0 : 0.0) + 0.5 * std::exp(-meters / kNearMeters);
}

/// 0 for a vector that has no direction: one that is not there, is all zeros, or is too long for floats.
double length_of(std::span<const float> vector) {
  float squares = 0.0F;
  if (!vector.empty()) gpu::dot_products({vector, 1, vector.size()}, {vector, 1, vector.size()}, 1, {&squares, 1});
  return std::isfinite(squares) ? std::sqrt(static_cast<double>(squares)) : 0.0;
}

/// The places that are chosen from.
class Pool {
 public:
  Pool(const PlaceIndex& index, const ModelScores* model, std::vector<std::uint32_t> rows)
      : index_(index), model_(model), rows_(std::move(rows)), nearest_(rows_.size(), 0.0), products_(rows_.size()) {
    for (const std::uint32_t row : rows_) {
      const std::span<const float> vector = model == nullptr ? std::span<const float>() : model->vector(row);
      lengths_.push_back(length_of(vector));
      vectors_.push_back(vector.data());
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::uint32_t category(std::size_t i) const noexcept { return index_.category(rows_[i]); }
  /// The largest similarity to one that was chosen.
  [[nodiscard]] double nearest(std::size_t i) const noexcept { return nearest_[i]; }

  void choose(std::size_t chosen) {
    if (lengths_[chosen] > 0.0) multiply_with(chosen);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const double similar = similarity_to(chosen, i);
      nearest_[i] = any_chosen_ ? std::max(nearest_[i], similar) : similar;
    }
    any_chosen_ = true;
  }

 private:
  /// All vectors are multiplied with one at once, which is where the time goes. Those that are not there are stood in
  /// for by the one that is.
  void multiply_with(std::size_t chosen) {
    std::vector<const float*> vectors = vectors_;
    std::replace(vectors.begin(), vectors.end(), static_cast<const float*>(nullptr), vectors_[chosen]);
    gpu::dot_products({model_->vector(rows_[chosen]), 1, model_->vector_dim()}, vectors, 1, products_);
  }
  [[nodiscard]] double similarity_to(std::size_t chosen, std::size_t i) const {
    if (lengths_[chosen] > 0.0 && lengths_[i] > 0.0) {
      return std::clamp(static_cast<double>(products_[i]) / (lengths_[chosen] * lengths_[i]), -1.0, 1.0);
    }
    return plain_similarity(index_, rows_[chosen], rows_[i]);
  }

  const PlaceIndex& index_;
  const ModelScores* const model_;
  const std::vector<std::uint32_t> rows_;
  std::vector<const float*> vectors_;  ///< null: the model does not know the place
  std::vector<double> lengths_;        ///< of the vectors; 0: there is none
  std::vector<double> nearest_;
  std::vector<float> products_;  ///< with the vector of the one chosen last
  bool any_chosen_ = false;
};

/// Scores on a scale from 0 to 1; all 0 where they are all equal. Infinite ones count as the largest that are not.
std::vector<double> relevance_of(std::span<const float> scores, std::span<const std::uint32_t> pool) {
  constexpr float kMost = std::numeric_limits<float>::max();
  std::vector<double> relevance;
  for (const std::uint32_t i : pool) relevance.push_back(static_cast<double>(std::clamp(scores[i], -kMost, kMost)));
  const auto [least, most] = std::minmax_element(relevance.begin(), relevance.end());
  const double from = *least;
  const double range = *most - from;
  for (double& value : relevance) value = range > 0.0 ? (value - from) / range : 0.0;
  return relevance;
}

/// Who is left with the largest marginal relevance, or the pool's size when nobody is.
std::size_t next_of(const std::vector<double>& relevance, double diversity, const std::vector<bool>& out,
                    const Pool& pool) {
  std::size_t best = pool.size();
  double most = 0.0;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (out[i]) continue;
    const double marginal = (1.0 - diversity) * relevance[i] - diversity * pool.nearest(i);
    if (best < pool.size() && marginal <= most) continue;
    best = i;
    most = marginal;
  }
  return best;
}

/// Positions in the pool, in the order in which they are chosen.
std::vector<std::size_t> choose(const std::vector<double>& relevance, const DiversityOptions& options, Pool* pool) {
  std::vector<std::size_t> chosen;
  std::vector<bool> out(pool->size());
  std::unordered_map<std::uint32_t, std::size_t> of_category;
  while (chosen.size() < options.limit) {
    const std::size_t next = next_of(relevance, options.diversity, out, *pool);
    if (next == pool->size()) break;
    chosen.push_back(next);
    out[next] = true;
    pool->choose(next);
    if (++of_category[pool->category(next)] != options.max_per_category) continue;
    for (std::size_t i = 0; i < pool->size(); ++i) {
      if (pool->category(i) == pool->category(next)) out[i] = true;
    }
  }
  return chosen;
}

}  // namespace

void diversify(const PlaceIndex& index, const ModelScores* model, std::span<const PlaceIndex::Near> candidates,
               std::span<const float> scores, const DiversityOptions& options, std::span<std::uint32_t> best) {
  const std::span<std::uint32_t> front = best.first(std::min(best.size(), options.pool));
  if (front.empty() || !(options.diversity > 0.0)) return;
  std::vector<std::uint32_t> rows;
  for (const std::uint32_t i : front) rows.push_back(candidates[i].row);
  Pool pool(index, model, std::move(rows));
  const std::vector<std::size_t> chosen = choose(relevance_of(scores, front), options, &pool);

  std::vector<std::uint32_t> order;
  std::vector<bool> taken(front.size());
  for (const std::size_t i : chosen) {
    order.push_back(front[i]);
    taken[i] = true;
  }
  for (std::size_t i = 0; i < front.size(); ++i) {
    if (!taken[i]) order.push_back(front[i]);
  }
  std::copy(order.begin(), order.end(), front.begin());
}

}  // namespace cairn::ranking
