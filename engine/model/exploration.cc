#include "engine/model/exploration.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/model/parallel.h"
#include "gpu/random.h"
#include "gpu/top_k.h"

namespace cairn::model {
namespace {

std::uint64_t mix(std::uint64_t x) { return gpu::next_bits(&x); }

std::uint64_t seed_of(std::uint64_t seed, std::size_t component, std::size_t row) {
  return mix(mix(mix(seed) + component) + row);
}

/// The vectors of items, in their order.
std::vector<float> gather(const Component& component, std::span<const std::uint32_t> items) {
  std::vector<float> vectors(items.size() * component.dim);
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::copy_n(component.item_vectors.data() + items[i] * component.dim, component.dim,
                vectors.data() + i * component.dim);
  }
  return vectors;
}

std::vector<float> gather_scaled(const Component& component, std::span<const std::uint32_t> items) {
  std::vector<float> vectors = gather(component, items);
  if (component.item_scale.empty()) return vectors;
  for (std::size_t i = 0; i < vectors.size(); ++i) vectors[i] *= component.item_scale[items[i / component.dim]];
  return vectors;
}

}  // namespace

Status Explorer::make_priors() const {
  const MutexLock lock(mutex_);
  if (made_) return ok_status();
  std::vector<std::optional<gpu::Prior>> priors;
  for (const Component& component : model_.components) {
    priors.emplace_back();
    if (component.kind != ComponentKind::kFoldIn) continue;
    const gpu::MatrixView vectors{component.item_vectors, model_.items.size(), component.dim};
    CAIRN_ASSIGN_OR_RETURN(priors.back(),
                           gpu::Prior::make(vectors, component.fold_in, gpu::best_instruction_set(), threads_));
  }
  priors_ = std::move(priors);
  made_ = true;
  return ok_status();
}

Status Explorer::prepare(const Exploration& exploration) const {
  if (exploration.options.method == gpu::ExploreOptions::Method::kNone) return ok_status();
  if (!std::isfinite(exploration.options.strength) || exploration.options.strength < 0.0F) {
    return invalid_argument("the strength of exploration has to be finite, 0 or more");
  }
  if (exploration.candidates_max > gpu::kTopKMax) {
    return invalid_argument("candidates_max is " + std::to_string(exploration.candidates_max) +
                            "; upper bounds re-rank at most " + std::to_string(gpu::kTopKMax) + " items");
  }
  const bool can = std::any_of(model_.components.begin(), model_.components.end(),
                               [](const Component& one) { return one.kind == ComponentKind::kFoldIn; });
  if (can) return exploration.options.strength > 0.0F ? make_priors() : ok_status();
  return invalid_argument(
      "exploration needs a fold-in, and no component of this model is one: ask a model of kind \"ials\" or "
      "\"best\", or rank without exploration");
}

Result<gpu::Posterior> Explorer::posterior(std::size_t component, const gpu::SparseView& histories,
                                           std::size_t row) const {
  const std::span<const std::uint32_t> items = histories.columns_of(row);
  const std::vector<float> vectors = gather(model_.components[component], items);
  const auto weights =
      histories.values.empty() ? histories.values : histories.values.subspan(histories.offsets[row], items.size());
  return gpu::Posterior::make(*priors_[component], {vectors, items.size(), priors_[component]->dim()}, weights);
}

Status Explorer::draw(std::size_t component, const gpu::SparseView& histories, std::size_t first_row,
                      const gpu::ExploreOptions& options, std::span<float> vectors) const {
  const std::size_t dim = priors_[component]->dim();
  return parallel_try(threads_, histories.rows(), [&](std::size_t row) -> Status {
    if (histories.columns_of(row).empty()) return ok_status();
    CAIRN_ASSIGN_OR_RETURN(const gpu::Posterior around, posterior(component, histories, row));
    const std::vector<float> deviation = around.deviation(seed_of(options.seed, component, first_row + row));
    for (std::size_t j = 0; j < dim; ++j) vectors[row * dim + j] += options.strength * deviation[j];
    return ok_status();
  });
}

Status Explorer::add_widths(const gpu::SparseView& histories, std::size_t row, std::span<const std::uint32_t> items,
                            std::span<const float> factors, float strength, std::span<float> scores) const {
  for (std::size_t component = 0; component < priors_.size(); ++component) {
    if (!priors_[component]) continue;
    CAIRN_ASSIGN_OR_RETURN(const gpu::Posterior around, posterior(component, histories, row));
    const std::vector<float> vectors = gather_scaled(model_.components[component], items);
    const gpu::ExploreOptions options{.method = gpu::ExploreOptions::Method::kUpperBound,
                                      .strength = strength * std::abs(factors[component])};
    CAIRN_RETURN_IF_ERROR(gpu::explore(around, {vectors, items.size(), around.dim()}, options, scores));
  }
  return ok_status();
}

}  // namespace cairn::model
