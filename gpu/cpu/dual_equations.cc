#include "gpu/cpu/dual_equations.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cairn::gpu {
namespace {

/// Four floats in one register, on any instruction set.
using Four [[gnu::vector_size(16)]] = float;

Four load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}

/// Writes root of the weight · scales[j] · vector[j] into column[j · kTile].
void transpose_one(const Term& term, std::span<const float> scales, float* column, std::size_t first = 0) {
  const float root = std::sqrt(term.weight);
  for (std::size_t j = first; j < scales.size(); ++j) column[j * kTile] = root * scales[j] * term.vector[j];
}

/// The same for four terms and four columns side by side.
void transpose_four(const Term* terms, std::span<const float> scales, float* columns) {
  const Four roots = {std::sqrt(terms[0].weight), std::sqrt(terms[1].weight), std::sqrt(terms[2].weight),
                      std::sqrt(terms[3].weight)};
  const std::size_t whole = scales.size() / 4 * 4;
  for (std::size_t j = 0; j < whole; j += 4) {
    const Four a = load(terms[0].vector + j);
    const Four b = load(terms[1].vector + j);
    const Four c = load(terms[2].vector + j);
    const Four d = load(terms[3].vector + j);
    const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const Four rows[] = {
        __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
        __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
    for (std::size_t i = 0; i < 4; ++i) {
      const Four row = roots * scales[j + i] * rows[i];
      std::memcpy(columns + (j + i) * kTile, &row, sizeof row);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) transpose_one(terms[i], scales, columns + i, whole);
}

}  // namespace

bool DualEquations::scale(const Objective& objective, std::size_t terms) {
  const float penalty = objective.penalty(terms);
  const std::span<const float> unobserved = objective.unobserved_diagonal();
  // 1 / √D may be taken only where D is more than the rounding error of its largest element.
  const auto [least, most] = objective.unobserved_range();
  if (!(least + penalty > (most + penalty) * kPivotMin)) return false;
  scales_.resize(unobserved.size());
  for (std::size_t j = 0; j < scales_.size(); ++j) scales_[j] = 1.0F / std::sqrt(unobserved[j] + penalty);
  return true;
}

void DualEquations::pack(std::span<const Term> terms, std::size_t dim) {
  const std::size_t stride = padded_to_tiles(dim) * kTile;
  matrix_.reset(terms.size());
  terms_.resize(matrix_.tiles() * stride);
  std::size_t i = 0;
  for (; i + 4 <= terms.size(); i += 4) {
    transpose_four(terms.data() + i, scales_, terms_.data() + i / kTile * stride + i % kTile);
  }
  for (; i < terms.size(); ++i) {
    transpose_one(terms[i], scales_, terms_.data() + i / kTile * stride + i % kTile);
  }
  // What pads the panels is zeroed, dimensions first, then terms: the memory holds what the last row left there.
  for (std::size_t t = 0; t < matrix_.tiles(); ++t) {
    float* panel = terms_.data() + t * stride;
    std::fill(panel + dim * kTile, panel + stride, 0.0F);
  }
  for (; i < matrix_.padded_dim(); ++i) {
    float* column = terms_.data() + i / kTile * stride + i % kTile;
    for (std::size_t j = 0; j < dim; ++j) column[j * kTile] = 0.0F;
  }
}

bool DualEquations::solve(const Objective& objective, std::span<const Term> terms, float* solution) {
  const DenseKernels& kernels = objective.kernels();
  if (!scale(objective, terms.size())) return false;
  pack(terms, objective.dim());
  const std::size_t padded = padded_to_tiles(objective.dim());
  add_gram(kernels, terms_.data(), padded * kTile, padded, &matrix_);
  for (std::size_t i = 0; i < matrix_.padded_dim(); ++i) *matrix_.diagonal(i) += 1.0F;
  if (!factor(kernels, &matrix_)) return false;
  unknowns_.assign(matrix_.padded_dim(), 0.0F);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    unknowns_[i] = std::sqrt(terms[i].weight) * objective.target(terms[i].weight);
  }
  solve_transposed(kernels, matrix_, unknowns_.data());
  gpu::solve(kernels, matrix_, unknowns_.data());
  std::fill_n(solution, padded, 0.0F);
  for (std::size_t t = 0; t < matrix_.tiles(); ++t) {
    kernels.subtract_dots(unknowns_.data() + t * kTile, terms_.data() + t * padded * kTile, padded, solution);
  }
  // Kernels subtract, so the sum is negated here together with the last scaling.
  for (std::size_t j = 0; j < scales_.size(); ++j) solution[j] *= -scales_[j];
  return true;
}

}  // namespace cairn::gpu
