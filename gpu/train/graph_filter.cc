#include "gpu/train/graph_filter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gpu/cpu/sparse_product.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"
#include "gpu/train/interactions.h"
#include "gpu/train/kept_rows.h"

namespace cairn::gpu {
namespace {

/// Rows of weights that are made at a time.
constexpr std::size_t kRows = 256;
/// Where the low-rank part ends, as a part of the whole work.
constexpr double kDecomposed = 0.3;

Status check_options(const GraphFilterOptions& options) {
  for (const float value : {options.user_exponent, options.item_exponent, options.low_rank_weight,
                            options.low_rank_exponent, options.sharpening}) {
    if (!std::isfinite(value)) return invalid_argument("exponents, weights and sharpening have to be finite");
  }
  if (options.sharpening < 0.0F) return invalid_argument("sharpening has to be 0 or more");
  if (options.sharpening > 0.0F && options.sharpening_steps == 0) {
    return invalid_argument("sharpening needs at least one step");
  }
  if (options.keep == 0) return invalid_argument("keep has to be at least 1");
  return ok_status();
}

std::vector<float> powers(std::span<const std::uint32_t> degrees, float exponent) {
  std::vector<float> result(degrees.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double degree = std::max(1.0, static_cast<double>(degrees[i]));
    result[i] = static_cast<float>(std::pow(degree, static_cast<double>(exponent)));
  }
  return result;
}

/// R and what is done with it. Blocks are items × columns.
class Filter {
 public:
  Filter(const SparseView& interactions, const GraphFilterOptions& options)
      : options_(options),
        by_user_(scaled(interactions, powers(row_degrees(interactions), -options.user_exponent),
                        powers(column_degrees(interactions), -options.item_exponent))),
        by_item_(transposed(by_user_.view())) {}

  [[nodiscard]] const SparseMatrix& by_user() const { return by_user_; }
  [[nodiscard]] std::size_t items() const { return by_user_.width; }

  /// P = RᵀR: block = P · block.
  void blur(std::size_t columns, std::vector<float>* block) {
    // Two sparse products: P itself would be nearly dense.
    by_user_block_.resize(by_item_.width * columns);
    multiply_sparse(by_user_.view(), block->data(), columns, by_user_block_.data(), options_.threads);
    multiply_sparse(by_item_.view(), by_user_block_.data(), columns, block->data(), options_.threads);
  }

  /// S, which is symmetric as P is: block = S · block.
  void sharpen(std::size_t columns, std::vector<float>* block) {
    if (options_.sharpening == 0.0F) return;
    for (std::size_t step = 0; step < options_.sharpening_steps; ++step) {
      // The terms of the series, each from the one before it; `factor` becomes (-h)^order / order!.
      power_ = *block;
      float factor = 1.0F;
      for (int order = 1; order <= 4; ++order) {
        blur(columns, &power_);
        factor *= -options_.sharpening / static_cast<float>(options_.sharpening_steps) / static_cast<float>(order);
        for (std::size_t i = 0; i < power_.size(); ++i) (*block)[i] += factor * power_[i];
      }
    }
  }

 private:
  const GraphFilterOptions& options_;
  SparseMatrix by_user_;
  SparseMatrix by_item_;
  std::vector<float> by_user_block_;  ///< users × columns
  std::vector<float> power_;          ///< (-hP)^order · block, but for factors
};

/// The low-rank part.
Status add_vectors(const SparseView& interactions, const GraphFilterOptions& options, Filter* filter,
                   const Progress& progress, GraphFilter* result) {
  CAIRN_ASSIGN_OR_RETURN(
      const TruncatedSvd svd,
      truncated_svd(
          filter->by_user().view(),
          {.rank = options.dim, .iterations = options.svd_iterations, .seed = options.seed, .threads = options.threads},
          progress));
  result->dim = svd.rank;
  result->history = svd.right;
  result->items = svd.right;
  const std::vector<std::uint32_t> degrees = column_degrees(interactions);
  const std::vector<float> from = powers(degrees, -options.low_rank_exponent);
  const std::vector<float> to = powers(degrees, options.low_rank_exponent);
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    for (std::size_t j = 0; j < svd.rank; ++j) {
      result->history[i * svd.rank + j] *= options.low_rank_weight * from[i];
      result->items[i * svd.rank + j] *= to[i];
    }
  }
  if (options.sharpen_low_rank) filter->sharpen(svd.rank, &result->items);
  return ok_status();
}

/// Columns of P·S, which is symmetric, are rows.
Result<SparseWeights> weights_of(const GraphFilterOptions& options, Filter* filter, const Progress& progress) {
  const std::size_t items = filter->items();
  KeptRows kept(items, options.keep);
  std::vector<float> rows;
  for (std::size_t first = 0; first < items; first += kRows) {
    CAIRN_RETURN_IF_ERROR(report_progress(progress, static_cast<double>(first) / static_cast<double>(items)));
    const std::size_t columns = std::min(kRows, items - first);
    // Unit vectors, which P·S turns into its columns.
    std::vector<float> block(items * columns);
    for (std::size_t c = 0; c < columns; ++c) block[(first + c) * columns + c] = 1.0F;
    filter->blur(columns, &block);
    filter->sharpen(columns, &block);
    rows.resize(block.size());
    transpose_dense(block.data(), items, columns, rows.data(), options.threads);
    kept.put(first, rows, options.threads);
  }
  CAIRN_RETURN_IF_ERROR(report_progress(progress, 1.0));
  return std::move(kept).finish();
}

}  // namespace

Result<GraphFilter> train_graph_filter(const SparseView& interactions, const GraphFilterOptions& options,
                                       const Progress& progress) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_RETURN_IF_ERROR(check_interactions(interactions));
  Filter filter(interactions, options);
  GraphFilter result;
  if (options.dim > 0) {
    CAIRN_RETURN_IF_ERROR(add_vectors(interactions, options, &filter, part_of(progress, 0.0, kDecomposed), &result));
  }
  CAIRN_ASSIGN_OR_RETURN(result.weights, weights_of(options, &filter, part_of(progress, kDecomposed, 1.0)));
  return result;
}

}  // namespace cairn::gpu
