#include "engine/model/item_ranker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/model/parallel.h"
#include "gpu/dot_products.h"
#include "gpu/parallel.h"
#include "gpu/select_k.h"
#include "gpu/sparse_weights.h"

namespace cairn::model {
namespace {

constexpr std::size_t kScoreBytesMax = std::size_t{64} << 20;  ///< of one buffer of scores

bool has_vectors(const Component& component) {
  return component.kind == ComponentKind::kEmbedding || component.kind == ComponentKind::kFoldIn;
}

/// Rows [first, first + count) of a matrix. `offsets` is what the view's offsets are of.
gpu::SparseView rows_of(const gpu::SparseView& matrix, std::size_t first, std::size_t count,
                        std::vector<std::uint64_t>* offsets) {
  const std::uint64_t begin = matrix.offsets[first];
  const std::uint64_t size = matrix.offsets[first + count] - begin;
  offsets->resize(count + 1);
  for (std::size_t i = 0; i <= count; ++i) (*offsets)[i] = matrix.offsets[first + i] - begin;
  return {.offsets = *offsets,
          .columns = matrix.columns.subspan(begin, size),
          .values = matrix.values.empty() ? matrix.values : matrix.values.subspan(begin, size),
          .width = matrix.width};
}

/// c_h · history_weight_h · n^-degree_exponent for each item of a row.
void history_weights(const Component& component, const gpu::SparseView& histories, std::size_t row,
                     std::vector<float>* weights) {
  const std::span<const std::uint32_t> items = histories.columns_of(row);
  const float by_degree = std::pow(static_cast<float>(items.size()), -component.degree_exponent);
  weights->resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const float own = component.history_weight.empty() ? 1.0F : component.history_weight[items[i]];
    (*weights)[i] = histories.value(histories.offsets[row] + i) * own * by_degree;
  }
}

/// sum of weight · vector over a row's items.
void embed(const Component& component, const gpu::SparseView& histories, std::size_t row, std::span<float> query) {
  const std::vector<float>& vectors =
      component.history_vectors.empty() ? component.item_vectors : component.history_vectors;
  std::vector<float> weights;
  history_weights(component, histories, row, &weights);
  std::fill(query.begin(), query.end(), 0.0F);
  const std::span<const std::uint32_t> items = histories.columns_of(row);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const float* vector = vectors.data() + items[i] * component.dim;
    for (std::size_t j = 0; j < component.dim; ++j) query[j] += weights[i] * vector[j];
  }
}

void add_weights_of_history(const Component& component, const gpu::SparseView& histories, std::size_t row,
                            std::span<float> scores) {
  std::vector<float> weights;
  history_weights(component, histories, row, &weights);
  std::fill(scores.begin(), scores.end(), 0.0F);
  component.weights.accumulate(histories.columns_of(row), weights, scores);
}

double deviation(std::span<const float> scores) {
  double sum = 0.0;
  double squares = 0.0;
  for (const float score : scores) {
    sum += static_cast<double>(score);
    squares += static_cast<double>(score) * static_cast<double>(score);
  }
  const auto count = static_cast<double>(scores.size());
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

double divisor_of(Normalization normalization, std::span<const float> scores) {
  double divisor = 1.0;
  if (normalization == Normalization::kDeviation) divisor = deviation(scores);
  if (normalization == Normalization::kMaximum) {
    divisor = 0.0;
    for (const float score : scores) divisor = std::max(divisor, std::abs(static_cast<double>(score)));
  }
  return divisor > 0.0 ? divisor : 1.0;
}

/// Adds one component's raw scores, which are scaled in place, to the sum over components. Returns: what they were
/// multiplied by for that.
float add_component(const Component& component, std::span<float> raw, std::span<float> sum) {
  for (std::size_t j = 0; j < component.item_scale.size(); ++j) raw[j] *= component.item_scale[j];
  const auto factor =
      static_cast<float>(static_cast<double>(component.weight) / divisor_of(component.normalization, raw));
  for (std::size_t j = 0; j < raw.size(); ++j) sum[j] += factor * raw[j];
  return factor;
}

/// The filter of a row among none, one for all, or one a row.
void add_work(const gpu::TopKWork& work, gpu::TopKAnswers* answers) {
  answers->work.rows_scanned += work.rows_scanned;
  answers->work.rows_scored += work.rows_scored;
  answers->work.queries_exact += work.queries_exact;
}

/// Items of a row and their scores, ordered by item.
struct ScoredItems {
  std::vector<std::uint32_t> items = {};
  std::vector<float> scores = {};
};

ScoredItems by_item(std::span<const std::uint32_t> items, std::span<const float> scores) {
  std::vector<std::pair<std::uint32_t, float>> pairs;
  for (std::size_t i = 0; i < items.size(); ++i) pairs.emplace_back(items[i], scores[i]);
  std::sort(pairs.begin(), pairs.end());
  ScoredItems ordered;
  for (const auto& [item, score] : pairs) {
    ordered.items.push_back(item);
    ordered.scores.push_back(score);
  }
  return ordered;
}

/// Answers a row with the k best of what is ordered by item, so that of equal scores the lower item comes first.
void answer_best(const ScoredItems& scored, std::size_t row, gpu::TopKAnswers* answers) {
  std::vector<std::uint32_t> best;
  gpu::select_k(scored.scores, answers->k, &best);
  answers->counts[row] = static_cast<std::uint32_t>(best.size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    answers->rows[row * answers->k + i] = scored.items[best[i]];
    answers->scores[row * answers->k + i] = scored.scores[best[i]];
  }
}

/// Puts answers where those to the queries from `row` on belong, and adds up the work.
void copy_answers(const gpu::TopKAnswers& source, std::size_t row, gpu::TopKAnswers* answers) {
  const auto at = static_cast<std::ptrdiff_t>(row * answers->k);
  std::copy(source.rows.begin(), source.rows.end(), answers->rows.begin() + at);
  std::copy(source.scores.begin(), source.scores.end(), answers->scores.begin() + at);
  std::copy(source.counts.begin(), source.counts.end(), answers->counts.begin() + static_cast<std::ptrdiff_t>(row));
  add_work(source.work, answers);
}

}  // namespace

Result<std::unique_ptr<ItemRanker>> ItemRanker::create(const Model& model, gpu::Backend& backend,
                                                       const ItemRankerOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_model(model));
  if (options.batch_max == 0) return invalid_argument("batch_max must be at least 1");
  std::unique_ptr<ItemRanker> ranker(new ItemRanker(model, options));
  CAIRN_RETURN_IF_ERROR(ranker->prepare(backend));
  return ranker;
}

Status ItemRanker::prepare(gpu::Backend& backend) {
  for (const Component& component : model_.components) {
    fold_ins_.emplace_back();
    if (component.kind != ComponentKind::kFoldIn) continue;
    const gpu::MatrixView vectors{component.item_vectors, model_.items.size(), component.dim};
    CAIRN_ASSIGN_OR_RETURN(fold_ins_.back(), backend.make_fold_in(vectors, component.fold_in));
  }
  const Component& only = model_.components.front();
  if (model_.components.size() > 1 || !has_vectors(only)) return ok_status();
  // Dividing a row's scores by a positive number leaves their order as it is; what differs by item is in the vectors.
  std::vector<float> scaled = only.item_vectors;
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] *= only.weight * (only.item_scale.empty() ? 1.0F : only.item_scale[i / only.dim]);
  }
  const gpu::MatrixOptions storage{.storage = only.precision};
  CAIRN_ASSIGN_OR_RETURN(matrix_, backend.make_matrix({scaled, model_.items.size(), only.dim}, storage));
  return ok_status();
}

Status ItemRanker::check(const gpu::SparseView& histories) const {
  const bool shape_fits = histories.width == model_.items.size() && !histories.offsets.empty() &&
                          histories.offsets.front() == 0 && histories.offsets.back() == histories.columns.size() &&
                          std::is_sorted(histories.offsets.begin(), histories.offsets.end()) &&
                          (histories.values.empty() || histories.values.size() == histories.columns.size());
  if (!shape_fits) return invalid_argument("the histories are no sparse matrix over the model's items");
  const bool in_range = std::all_of(histories.columns.begin(), histories.columns.end(),
                                    [&](std::uint32_t column) { return column < histories.width; });
  return in_range ? ok_status() : invalid_argument("a history has an item past the model's last");
}

std::size_t ItemRanker::batch_rows() const noexcept {
  return std::clamp<std::size_t>(kScoreBytesMax / (model_.items.size() * sizeof(float)), 1, options_.batch_max);
}

Status ItemRanker::queries(std::size_t component, const gpu::SparseView& histories, std::vector<float>* vectors) const {
  const Component& one = model_.components[component];
  CAIRN_CHECK(has_vectors(one));
  vectors->resize(histories.rows() * one.dim);
  if (one.kind == ComponentKind::kFoldIn) return fold_ins_[component]->solve(histories, *vectors);
  gpu::parallel_for(options_.threads, histories.rows(), [&](std::size_t row) {
    embed(one, histories, row, std::span(*vectors).subspan(row * one.dim, one.dim));
  });
  return ok_status();
}

Status ItemRanker::drawn_queries(std::size_t component, const Batch& batch, std::vector<float>* vectors) const {
  CAIRN_RETURN_IF_ERROR(queries(component, batch.histories, vectors));
  const bool draws = batch.explore.method == gpu::ExploreOptions::Method::kThompson;
  if (!draws || model_.components[component].kind != ComponentKind::kFoldIn) return ok_status();
  return explorer_.draw(component, batch.histories, batch.first_row, batch.explore, *vectors);
}

Status ItemRanker::explored_queries(const gpu::SparseView& histories, const gpu::ExploreOptions& explore,
                                    std::vector<float>* vectors) const {
  CAIRN_CHECK(matrix_ != nullptr);
  CAIRN_RETURN_IF_ERROR(check(histories));
  CAIRN_RETURN_IF_ERROR(explorer_.prepare({.options = explore}));
  const bool explores = explore.strength > 0.0F;
  return drawn_queries(0, {.histories = histories, .explore = explores ? explore : gpu::ExploreOptions{}}, vectors);
}

Status ItemRanker::add_bounds(const gpu::SparseView& history, std::span<const std::uint32_t> items, float strength,
                              std::span<float> scores) const {
  CAIRN_CHECK(matrix_ != nullptr && items.size() == scores.size() && history.rows() == 1);
  CAIRN_RETURN_IF_ERROR(check(history));
  CAIRN_RETURN_IF_ERROR(
      explorer_.prepare({.options = {.method = gpu::ExploreOptions::Method::kUpperBound, .strength = strength}}));
  if (strength == 0.0F || history.columns.empty()) return ok_status();
  const float factors[] = {model_.components.front().weight};
  return explorer_.add_widths(history, 0, items, factors, strength, scores);
}

Status ItemRanker::prepare_exploration() const {
  return explorer_.prepare({.options = {.method = gpu::ExploreOptions::Method::kUpperBound}});
}

Status ItemRanker::raw_scores(std::size_t component, const Batch& batch, std::span<float> scores) const {
  const Component& one = model_.components[component];
  const std::size_t items = model_.items.size();
  if (has_vectors(one)) {
    std::vector<float> vectors;
    CAIRN_RETURN_IF_ERROR(drawn_queries(component, batch, &vectors));
    // Not gpu::gemm, whose bits depend on how many rows are multiplied together.
    gpu::dot_products({vectors, batch.histories.rows(), one.dim}, {one.item_vectors, items, one.dim}, options_.threads,
                      scores);
    return ok_status();
  }
  gpu::parallel_for(options_.threads, batch.histories.rows(), [&](std::size_t row) {
    const std::span<float> out = scores.subspan(row * items, items);
    if (one.kind == ComponentKind::kItemWeights) return add_weights_of_history(one, batch.histories, row, out);
    std::copy(model_.popularity.begin(), model_.popularity.end(), out.begin());
  });
  return ok_status();
}

Status ItemRanker::score(const gpu::SparseView& histories, std::vector<float>* scores) const {
  CAIRN_RETURN_IF_ERROR(check(histories));
  ScoreBuffers buffers{.sum = std::move(*scores)};
  const Status summed = sum_scores({.histories = histories}, &buffers);
  *scores = std::move(buffers.sum);
  return summed;
}

Status ItemRanker::sum_scores(const Batch& batch, ScoreBuffers* buffers) const {
  const std::size_t items = model_.items.size();
  const std::size_t components = model_.components.size();
  const std::size_t rows = batch.histories.rows();
  buffers->sum.assign(rows * items, 0.0F);
  buffers->raw.resize(rows * items);
  buffers->factors.resize(rows * components);
  const auto row_of = [items](std::vector<float>* values, std::size_t row) {
    return std::span(*values).subspan(row * items, items);
  };
  for (std::size_t component = 0; component < components; ++component) {
    CAIRN_RETURN_IF_ERROR(raw_scores(component, batch, buffers->raw));
    gpu::parallel_for(options_.threads, rows, [&](std::size_t row) {
      buffers->factors[row * components + component] =
          add_component(model_.components[component], row_of(&buffers->raw, row), row_of(&buffers->sum, row));
    });
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (!batch.histories.columns_of(row).empty()) continue;
    std::copy(model_.popularity.begin(), model_.popularity.end(), row_of(&buffers->sum, row).begin());
  }
  return ok_status();
}

Status ItemRanker::rank_by_scores(const Batch& batch, std::size_t k, ScoreBuffers* buffers,
                                  gpu::TopKAnswers* answers) const {
  const std::size_t items = model_.items.size();
  CAIRN_RETURN_IF_ERROR(sum_scores(batch, buffers));
  std::vector<gpu::TopKAnswers> single(batch.histories.rows());
  CAIRN_RETURN_IF_ERROR(parallel_try(options_.threads, single.size(), [&](std::size_t row) {
    const std::span<const float> own = std::span(buffers->sum).subspan(row * items, items);
    return gpu::top_k_of_scores(own, k, gpu::filter_of(batch.filters, row), &single[row]);
  }));
  for (std::size_t row = 0; row < single.size(); ++row) copy_answers(single[row], row, answers);
  return ok_status();
}

Status ItemRanker::rank_by_matrix(const Batch& batch, std::size_t k, ScoreBuffers* buffers,
                                  gpu::TopKAnswers* answers) const {
  const std::size_t rows = batch.histories.rows();
  std::vector<float> vectors;
  gpu::TopKAnswers found;
  CAIRN_RETURN_IF_ERROR(drawn_queries(0, batch, &vectors));
  const gpu::MatrixView drawn{vectors, rows, matrix_->dim()};
  CAIRN_RETURN_IF_ERROR(matrix_->top_k({.queries = drawn, .k = k, .filters = batch.filters}, &found));
  copy_answers(found, 0, answers);
  for (std::size_t row = 0; row < rows; ++row) {
    if (!batch.histories.columns_of(row).empty()) continue;
    CAIRN_RETURN_IF_ERROR(gpu::top_k_of_scores(model_.popularity, k, gpu::filter_of(batch.filters, row), &found));
    copy_answers(found, row, answers);
  }
  buffers->factors.assign(rows, model_.components.front().weight);
  return ok_status();
}

Status ItemRanker::rank_by_bounds(const Batch& batch, std::size_t k, std::span<const float> factors,
                                  const gpu::TopKAnswers& candidates, gpu::TopKAnswers* answers) const {
  const std::size_t rows = batch.histories.rows();
  const std::size_t components = model_.components.size();
  answers->reset(rows, k);
  add_work(candidates.work, answers);
  return parallel_try(options_.threads, rows, [&](std::size_t row) -> Status {
    ScoredItems scored = by_item(candidates.rows_of(row), candidates.scores_of(row));
    if (!batch.histories.columns_of(row).empty()) {
      CAIRN_RETURN_IF_ERROR(explorer_.add_widths(batch.histories, row, scored.items,
                                                 factors.subspan(row * components, components), batch.explore.strength,
                                                 scored.scores));
    }
    answer_best(scored, row, answers);
    return ok_status();
  });
}

Status ItemRanker::rank_batch(const Batch& batch, std::size_t k, std::size_t candidates, ScoreBuffers* buffers,
                              gpu::TopKAnswers* answers) const {
  const auto by_score = [&](std::size_t count, gpu::TopKAnswers* found) {
    found->reset(batch.histories.rows(), count);
    return matrix_ ? rank_by_matrix(batch, count, buffers, found) : rank_by_scores(batch, count, buffers, found);
  };
  if (batch.explore.method != gpu::ExploreOptions::Method::kUpperBound) return by_score(k, answers);
  gpu::TopKAnswers found;
  CAIRN_RETURN_IF_ERROR(by_score(candidates, &found));
  return rank_by_bounds(batch, k, buffers->factors, found, answers);
}

Status ItemRanker::rank(const gpu::SparseView& histories, std::size_t k, std::span<const gpu::RowFilter> filters,
                        const Exploration& exploration, gpu::TopKAnswers* answers) const {
  CAIRN_RETURN_IF_ERROR(check(histories));
  CAIRN_RETURN_IF_ERROR(explorer_.prepare(exploration));
  const std::size_t rows = histories.rows();
  if (k > gpu::kTopKMax) return invalid_argument("k is " + std::to_string(k) + "; at most 1024 items can be asked for");
  if (filters.size() > 1 && filters.size() != rows) {
    return invalid_argument(std::to_string(filters.size()) + " filters for " + std::to_string(rows) + " histories");
  }
  answers->reset(rows, k);
  const bool explores = exploration.options.strength > 0.0F;
  std::vector<std::uint64_t> offsets;
  gpu::TopKAnswers found;
  ScoreBuffers buffers;  // of tens of megabytes: made once
  for (std::size_t first = 0; first < rows; first += batch_rows()) {
    const std::size_t count = std::min(batch_rows(), rows - first);
    const Batch batch{.histories = rows_of(histories, first, count, &offsets),
                      .filters = filters.size() > 1 ? filters.subspan(first, count) : filters,
                      .first_row = first,
                      .explore = explores ? exploration.options : gpu::ExploreOptions{}};
    CAIRN_RETURN_IF_ERROR(rank_batch(batch, k, std::max(k, exploration.candidates_max), &buffers, &found));
    copy_answers(found, first, answers);
  }
  return ok_status();
}

}  // namespace cairn::model
