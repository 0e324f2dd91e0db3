#include "gpu/train/block_rows.h"

#include <algorithm>
#include <cmath>

#include "gpu/cpu/objective.h"

namespace cairn::gpu {
namespace {

std::size_t padded(std::size_t size) { return (size + kTile - 1) / kTile * kTile; }

/// Adds to the diagonal; what pads the matrix becomes a diagonal of ones.
void add_diagonal(std::size_t dim, std::span<const float> values, Panels* matrix) {
  for (std::size_t r = 0; r < matrix->padded_dim(); ++r) *matrix->diagonal(r) += r < dim ? values[r] : 1.0F;
}

[[nodiscard]] bool solve_system(const DenseKernels& kernels, Panels* matrix, float* x) {
  if (!factor(kernels, matrix)) return false;
  solve_transposed(kernels, *matrix, x);
  solve(kernels, *matrix, x);
  return true;
}

}  // namespace

BlockRows::BlockRows(MatrixView items, std::span<const float> gram, const FoldInOptions& objective, std::size_t block,
                     const DenseKernels& kernels)
    : items_(items), gram_(gram), objective_(objective), block_(block), kernels_(kernels) {}

bool BlockRows::improve(std::span<const std::uint32_t> columns, std::span<const float> weights,
                        std::span<float> vector) {
  if (columns.empty()) {
    std::fill(vector.begin(), vector.end(), 0.0F);
    return true;
  }
  set_residuals(columns, weights, vector);
  const float lambda = penalty_of(objective_, items_.rows, columns.size());
  for (std::size_t begin = 0; begin < vector.size(); begin += block_) {
    const std::size_t width = std::min(block_, vector.size() - begin);
    const Block block{begin, width, padded(width) / kTile};
    const std::span<float> part = vector.subspan(begin, width);
    gather(block, columns);
    set_penalties(block, lambda);
    old_.assign(block.panels * kTile, 0.0F);
    std::copy(part.begin(), part.end(), old_.begin());
    // Pulled to: the block's own share of the scores, without the residuals.
    right_side_.assign(residuals_.begin(), residuals_.end());
    subtract_scores(block, old_.data(), right_side_.data());
    if (!(count_ < width ? solve_by_interactions(block) : solve_by_columns(block))) return false;
    std::copy_n(new_.begin(), width, part.begin());
    // Moves the residuals by what the block has changed: subtracting the scores of old - new adds those of new - old.
    for (std::size_t j = 0; j < old_.size(); ++j) old_[j] -= new_[j];
    subtract_scores(block, old_.data(), residuals_.data());
  }
  // Overflow, or a system so bad that the solution is not a number.
  return std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); });
}

void BlockRows::set_residuals(std::span<const std::uint32_t> columns, std::span<const float> weights,
                              std::span<const float> vector) {
  count_ = columns.size();
  rows_ = padded(count_);
  roots_.resize(count_);
  residuals_.assign(rows_, 0.0F);
  for (std::size_t i = 0; i < count_; ++i) {
    const float weight = weights.empty() ? 1.0F : weights[i];
    roots_[i] = std::sqrt(weight);
    // The scores are added block by block below. Everything of an interaction is multiplied with the root of its
    // weight, so that squares carry the weight itself.
    residuals_[i] = -roots_[i] * target_of(objective_, weight);
  }
  // Kernels subtract, so the vector is negated to have its scores added.
  AlignedVector<float> negated(padded(vector.size()), 0.0F);
  for (std::size_t j = 0; j < vector.size(); ++j) negated[j] = -vector[j];
  for (std::size_t begin = 0; begin < vector.size(); begin += block_) {
    const std::size_t width = std::min(block_, vector.size() - begin);
    const Block block{begin, width, padded(width) / kTile};
    gather(block, columns);
    new_.assign(block.panels * kTile, 0.0F);
    std::copy_n(negated.data() + begin, width, new_.begin());
    subtract_scores(block, new_.data(), residuals_.data());
  }
}

void BlockRows::gather(const Block& block, std::span<const std::uint32_t> columns) {
  gathered_.assign(block.panels * rows_ * kTile, 0.0F);
  for (std::size_t i = 0; i < count_; ++i) {
    const float* item = items_.values.data() + columns[i] * items_.dim + block.begin;
    for (std::size_t j = 0; j < block.width; j += kTile) {
      float* to = gathered_.data() + j * rows_ + i * kTile;
      if (block.width - j >= kTile) {
        for (std::size_t k = 0; k < kTile; ++k) to[k] = roots_[i] * item[j + k];
      } else {
        for (std::size_t k = 0; k < block.width - j; ++k) to[k] = roots_[i] * item[j + k];
      }
    }
  }
}

void BlockRows::subtract_scores(const Block& block, const float* x, float* from) const {
  for (std::size_t p = 0; p < block.panels; ++p) {
    kernels_.subtract_dots(x + p * kTile, gathered_.data() + p * rows_ * kTile, rows_, from);
  }
}

void BlockRows::set_penalties(const Block& block, float lambda) {
  penalties_.resize(block.width);
  for (std::size_t j = 0; j < block.width; ++j) {
    penalties_[j] = objective_.unobserved_weight * gram_[block.begin + j] + lambda;
  }
}

/// (ZᵀZ + A) new = Zᵀ r, with Z the gathered items, A the penalties and r = -right_side_.
bool BlockRows::solve_by_columns(const Block& block) {
  system_ = Panels(block.width);
  add_gram(kernels_, gathered_.data(), rows_ * kTile, rows_, &system_);
  add_diagonal(block.width, penalties_, &system_);
  new_.assign(block.panels * kTile, 0.0F);
  for (std::size_t p = 0; p < block.panels; ++p) {
    kernels_.subtract_combination(right_side_.data(), gathered_.data() + p * rows_ * kTile, rows_,
                                  new_.data() + p * kTile);
  }
  return solve_system(kernels_, &system_, new_.data());
}

/// new = A⁻¹ Zᵀ (I + Z A⁻¹ Zᵀ)⁻¹ r, which is the same. Penalties have to be positive.
bool BlockRows::solve_by_interactions(const Block& block) {
  if (!std::all_of(penalties_.begin(), penalties_.end(), [](float value) { return value > 0.0F; })) return false;
  // With Y = Z A^-½ the inner matrix is I + Y Yᵀ, which has no eigenvalue below 1 and is always safe to factor.
  for (float& value : penalties_) value = 1.0F / std::sqrt(value);
  turn(block);
  const std::size_t stride = block.panels * kTile;
  system_ = Panels(count_);
  add_gram(kernels_, turned_.data(), stride * kTile, stride, &system_);
  add_diagonal(count_, std::vector<float>(count_, 1.0F), &system_);
  if (!solve_system(kernels_, &system_, right_side_.data())) return false;
  new_.assign(stride, 0.0F);
  for (std::size_t i = 0; i < rows_; i += kTile) {
    kernels_.subtract_dots(right_side_.data() + i, turned_.data() + i * stride, stride, new_.data());
  }
  for (std::size_t j = 0; j < block.width; ++j) new_[j] *= penalties_[j];
  return true;
}

void BlockRows::turn(const Block& block) {
  const std::size_t stride = block.panels * kTile;
  turned_.assign(rows_ * stride, 0.0F);
  for (std::size_t i = 0; i < rows_; i += kTile) {
    for (std::size_t j = 0; j < block.width; ++j) {
      const float* from = gathered_.data() + j / kTile * rows_ * kTile + i * kTile + j % kTile;
      float* to = turned_.data() + i * stride + j * kTile;
      for (std::size_t k = 0; k < kTile; ++k) to[k] = penalties_[j] * from[k * kTile];
    }
  }
}

}  // namespace cairn::gpu
