#include "gpu/posterior.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "gpu/cpu/normal_numbers.h"
#include "gpu/cpu/objective.h"
#include "gpu/finite.h"

namespace cairn::gpu {
namespace {

/// A plane rotation.
struct Rotation {
  float cosine = 1.0F;
  float sine = 0.0F;
};

/// Rotates the entries [first, kTile) of a factor's row and of what is added to it.
void rotate(Rotation by, std::size_t first, float* __restrict row, float* __restrict added) {
  for (std::size_t j = first; j < kTile; ++j) {
    const float old = row[j];
    row[j] = by.cosine * old + by.sine * added[j];
    added[j] = by.cosine * added[j] - by.sine * old;
  }
}

/// Row k of a diagonal tile takes up added[k], which becomes 0.
Rotation rotate_pivot(float* tile, std::size_t k, float* added) {
  float* row = tile + k * kTile;
  // The factor keeps reciprocals on its diagonal. In double, since the rotation of the whole row depends on it.
  const double pivot = 1.0 / static_cast<double>(row[k]);
  const double taken = static_cast<double>(added[k]);
  const double length = std::sqrt(pivot * pivot + taken * taken);
  const Rotation rotation{static_cast<float>(pivot / length), static_cast<float>(taken / length)};
  row[k] = static_cast<float>(1.0 / length);
  rotate(rotation, k + 1, row, added);
  return rotation;
}

/// The factor of UᵀU becomes that of UᵀU + added addedᵀ, and `added` is lost.
void add_outer_product(Panels* factor, float* added) {
  // A diagonal tile gives the rotations of its 16 rows, which then go through all tiles to the right of it.
  for (std::size_t i = 0; i < factor->tiles(); ++i) {
    Rotation rotations[kTile];
    for (std::size_t k = 0; k < kTile; ++k) rotations[k] = rotate_pivot(factor->tile(i, i), k, added + i * kTile);
    for (std::size_t j = i + 1; j < factor->tiles(); ++j) {
      float* tile = factor->tile(i, j);
      for (std::size_t k = 0; k < kTile; ++k) rotate(rotations[k], 0, tile + k * kTile, added + j * kTile);
    }
  }
}

/// UᵀU of a factor, with whole diagonal tiles.
Panels product_of(const DenseKernels& kernels, Panels factor) {
  for (std::size_t r = 0; r < factor.padded_dim(); ++r) {
    float* diagonal = factor.diagonal(r);
    *diagonal = 1.0F / *diagonal;
    std::fill_n(diagonal - r % kTile, r % kTile, 0.0F);
  }
  Panels product(factor.padded_dim());
  for (std::size_t j = 0; j < factor.tiles(); ++j) {
    for (std::size_t i = 0; i <= j; ++i) {
      kernels.add_products(factor.panel(i), factor.panel(j), (i + 1) * kTile, product.tile(i, j));
    }
  }
  return product;
}

/// Writes the rows [first, first + count) of a matrix as the columns of a block, padded with zeros.
void transpose_rows(MatrixView rows, std::size_t first, std::size_t count, AlignedVector<float>* block) {
  std::fill(block->begin(), block->end(), 0.0F);
  for (std::size_t c = 0; c < count; ++c) {
    const std::span<const float> row = rows.row(first + c);
    for (std::size_t i = 0; i < row.size(); ++i) (*block)[i * kTile + c] = row[i];
  }
}

void add_squares(const float* __restrict row, float* __restrict sums) {
  for (std::size_t j = 0; j < kTile; ++j) sums[j] += row[j] * row[j];
}

bool is_weight(float value) { return std::isfinite(value) && value > 0.0F; }

Status check_shape(MatrixView rows, std::size_t count, std::size_t dim) {
  if (rows.rows == count && rows.dim == dim && rows.values.size() == count * dim) return ok_status();
  return invalid_argument("there are " + std::to_string(rows.rows) + " x " + std::to_string(rows.dim) + " vectors of " +
                          std::to_string(rows.values.size()) + " values, not " + std::to_string(count) + " x " +
                          std::to_string(dim));
}

Status not_positive_definite() {
  return failed_precondition("the equations are not positive definite: regularization is too small");
}

}  // namespace

Result<Prior> Prior::make(MatrixView items, const FoldInOptions& options, InstructionSet set, std::size_t threads) {
  if (set > best_instruction_set()) {
    return failed_precondition("this machine does not have the instruction set " + std::string(to_string(set)));
  }
  CAIRN_ASSIGN_OR_RETURN(Objective objective, Objective::make(items, options, dense_kernels(set), threads));
  return Prior(std::make_shared<const Objective>(std::move(objective)));
}

std::size_t Prior::dim() const noexcept { return objective_->dim(); }

struct Posterior::State {
  Prior prior;
  Panels factor = {};                    ///< U of UᵀU = A
  AlignedVector<float> right_side = {};  ///< b, padded
  std::size_t interactions = 0;
  float penalty = 0.0F;

  [[nodiscard]] const Objective& objective() const noexcept { return prior.objective(); }
  [[nodiscard]] const DenseKernels& kernels() const noexcept { return prior.objective().kernels(); }

  /// U⁻¹ x without what pads it.
  [[nodiscard]] std::vector<float> solved(AlignedVector<float> x) const {
    solve(kernels(), factor, x.data());
    return {x.begin(), x.begin() + static_cast<std::ptrdiff_t>(objective().dim())};
  }
};

Posterior::Posterior(std::unique_ptr<State> state) : state_(std::move(state)) {}
Posterior::~Posterior() = default;
Posterior::Posterior(Posterior&&) noexcept = default;
Posterior& Posterior::operator=(Posterior&&) noexcept = default;

Result<Posterior> Posterior::make(const Prior& prior, MatrixView vectors, std::span<const float> weights) {
  CAIRN_RETURN_IF_ERROR(check_shape(vectors, weights.empty() ? vectors.rows : weights.size(), prior.dim()));
  if (!std::all_of(weights.begin(), weights.end(), is_weight)) {
    return invalid_argument("a weight is not finite and positive");
  }
  if (!all_finite(vectors.values)) return invalid_argument("an item has values that are not finite");
  std::vector<Term> terms;
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    terms.push_back({vectors.row(i).data(), weights.empty() ? 1.0F : weights[i]});
  }
  NormalEquations equations;
  prior.objective().set_up(terms, &equations);
  if (!gpu::factor(prior.objective().kernels(), &equations.matrix)) return not_positive_definite();
  auto state = std::make_unique<State>(State{prior});
  state->factor = std::move(equations.matrix);
  state->right_side = std::move(equations.right_side);
  state->interactions = terms.size();
  state->penalty = prior.objective().penalty(terms.size());
  return Posterior(std::move(state));
}

std::size_t Posterior::dim() const noexcept { return state_->prior.dim(); }
std::size_t Posterior::interactions() const noexcept { return state_->interactions; }
float Posterior::penalty() const noexcept { return state_->penalty; }

Status Posterior::add(std::span<const float> item, float weight) {
  if (item.size() != dim() || !all_finite(item)) {
    return invalid_argument("an item has to be " + std::to_string(dim()) + " finite values");
  }
  if (!is_weight(weight)) return invalid_argument("the weight is not finite and positive");
  const float root = std::sqrt(weight);
  const float pull = weight * state_->objective().target(weight);
  AlignedVector<float> added(state_->factor.padded_dim());
  for (std::size_t i = 0; i < item.size(); ++i) {
    added[i] = root * item[i];
    state_->right_side[i] += pull * item[i];
  }
  add_outer_product(&state_->factor, added.data());
  ++state_->interactions;
  return ok_status();
}

Status Posterior::refresh() {
  const float penalty = state_->objective().penalty(state_->interactions);
  // A is multiplied out from its factor, its diagonal is moved to the new penalty, and it is factored again: the
  // interactions themselves are not kept.
  if (penalty == state_->penalty) return ok_status();
  Panels matrix = product_of(state_->kernels(), state_->factor);
  for (std::size_t r = 0; r < dim(); ++r) *matrix.diagonal(r) += penalty - state_->penalty;
  if (!gpu::factor(state_->kernels(), &matrix)) return not_positive_definite();
  state_->factor = std::move(matrix);
  state_->penalty = penalty;
  return ok_status();
}

std::vector<float> Posterior::vector() const {
  AlignedVector<float> x = state_->right_side;
  solve_transposed(state_->kernels(), state_->factor, x.data());
  return state_->solved(std::move(x));
}

Status Posterior::variances(MatrixView rows, std::span<float> out) const {
  CAIRN_RETURN_IF_ERROR(check_shape(rows, out.size(), dim()));
  AlignedVector<float> block(state_->factor.padded_dim() * kTile);
  for (std::size_t first = 0; first < out.size(); first += kTile) {
    const std::size_t count = std::min(kTile, out.size() - first);
    transpose_rows(rows, first, count, &block);
    // xᵀ A⁻¹ x is the square of the length of U⁻ᵀ x. Sixteen rows are solved for at once.
    solve_transposed_block(state_->kernels(), state_->factor, block.data());
    float sums[kTile] = {};
    for (std::size_t i = 0; i < block.size(); i += kTile) add_squares(block.data() + i, sums);
    std::copy_n(sums, count, out.begin() + static_cast<std::ptrdiff_t>(first));
  }
  return ok_status();
}

std::vector<float> Posterior::deviation(std::uint64_t seed) const {
  // U⁻¹ z has covariance U⁻¹ U⁻ᵀ = A⁻¹ for independent z of variance 1.
  NormalNumbers normal(seed);
  AlignedVector<float> x(state_->factor.padded_dim());
  for (std::size_t i = 0; i < dim(); ++i) x[i] = static_cast<float>(normal());
  return state_->solved(std::move(x));
}

}  // namespace cairn::gpu
