#include "gpu/cpu/objective.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

/// Rows that are packed, and summed in float, at once.
constexpr std::size_t kGramRows = 256;
constexpr std::size_t kTermRows = 64;
/// Parts of the items that are summed apart from each other; each needs a Gram matrix of doubles.
constexpr std::size_t kGramParts = 32;

/// to = scale · from, over one row of a tile.
void scale_row(const float* __restrict from, float scale, float* __restrict to) {
  for (std::size_t j = 0; j < kTile; ++j) to[j] = scale * from[j];
}

/// Writes `scale` · vector into row r of panels that are `stride` values apart. What pads the last panel is left alone.
void pack(const float* vector, std::size_t dim, float scale, std::size_t r, std::size_t stride, float* panels) {
  float* row = panels + r * kTile;
  for (; dim >= kTile; dim -= kTile, vector += kTile, row += stride) scale_row(vector, scale, row);
  for (std::size_t j = 0; j < dim; ++j) row[j] = scale * vector[j];
}

/// Adds the Gram matrix of the items [begin, end) to `sum`.
void add_gram_of_items(MatrixView items, std::size_t begin, std::size_t end, const DenseKernels& kernels,
                       std::vector<double>* sum) {
  constexpr std::size_t kStride = kGramRows * kTile;
  Panels block(items.dim);
  AlignedVector<float> packed(block.tiles() * kStride);
  for (std::size_t first = begin; first < end; first += kGramRows) {
    const std::size_t rows = std::min(kGramRows, end - first);
    for (std::size_t r = 0; r < rows; ++r)
      pack(items.row(first + r).data(), items.dim, 1.0F, r, kStride, packed.data());
    std::fill(block.values().begin(), block.values().end(), 0.0F);
    add_gram(kernels, packed.data(), kStride, rows, &block);
    for (std::size_t i = 0; i < sum->size(); ++i) (*sum)[i] += static_cast<double>(block.values()[i]);
  }
}

}  // namespace

Result<std::vector<double>> gram_of(MatrixView items, const DenseKernels& kernels, std::size_t threads) {
  const std::size_t blocks = (items.rows + kGramRows - 1) / kGramRows;
  const std::size_t parts = std::min(kGramParts, blocks);
  std::vector<double> gram(Panels(items.dim).values().size());
  // The number of parts and their order depend on the items alone, so the sum is the same for any number of threads.
  std::vector<std::vector<double>> sums(parts);
  parallel_for(threads, parts, [&](std::size_t part) {
    const std::size_t begin = part * blocks / parts * kGramRows;
    const std::size_t end = std::min(items.rows, (part + 1) * blocks / parts * kGramRows);
    sums[part].resize(gram.size());
    add_gram_of_items(items, begin, end, kernels, &sums[part]);
  });
  for (const std::vector<double>& sum : sums) {
    for (std::size_t i = 0; i < gram.size(); ++i) gram[i] += sum[i];
  }
  if (!std::all_of(gram.begin(), gram.end(), [](double value) { return std::isfinite(value); })) {
    return invalid_argument("items hold values that are not finite, or whose squares are not");
  }
  return gram;
}

float penalty_of(const FoldInOptions& options, std::size_t items, std::size_t interactions) noexcept {
  const double size =
      static_cast<double>(interactions) + static_cast<double>(options.unobserved_weight) * static_cast<double>(items);
  const double exponent = static_cast<double>(options.frequency_exponent);
  return static_cast<float>(static_cast<double>(options.regularization) * std::pow(size, exponent));
}

float target_of(const FoldInOptions& options, float weight) noexcept {
  return options.target == FoldInOptions::Target::kOne ? 1.0F : 1.0F + options.unobserved_weight / weight;
}

Result<Objective> Objective::make(MatrixView items, const FoldInOptions& options, const DenseKernels& kernels,
                                  std::size_t threads) {
  CAIRN_RETURN_IF_ERROR(check_objective(items, options));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<double> gram, gram_of(items, kernels, threads));
  Objective objective;
  objective.options_ = options;
  objective.kernels_ = &kernels;
  objective.items_ = items.rows;
  objective.dim_ = items.dim;
  objective.unobserved_ = Panels(items.dim);
  const std::span<float> unobserved = objective.unobserved_.values();
  for (std::size_t i = 0; i < gram.size(); ++i) {
    unobserved[i] = static_cast<float>(static_cast<double>(options.unobserved_weight) * gram[i]);
  }
  if (!std::all_of(unobserved.begin(), unobserved.end(), [](float value) { return std::isfinite(value); })) {
    return invalid_argument("unobserved_weight times the squares of the items exceeds what float can hold");
  }
  for (std::size_t r = 0; r < items.dim; ++r) objective.diagonal_.push_back(*objective.unobserved_.diagonal(r));
  const auto [least, most] = std::minmax_element(objective.diagonal_.begin(), objective.diagonal_.end());
  objective.range_ = {*least, *most};
  return objective;
}

void Objective::set_up(std::span<const Term> terms, NormalEquations* equations) const {
  constexpr std::size_t kStride = kTermRows * kTile;
  Panels& matrix = equations->matrix;
  matrix = unobserved_;
  equations->right_side.assign(matrix.padded_dim(), 0.0F);
  equations->packed.resize(matrix.tiles() * kStride);
  const float lambda = penalty(terms.size());
  for (std::size_t r = 0; r < matrix.padded_dim(); ++r) *matrix.diagonal(r) += r < dim_ ? lambda : 1.0F;
  float pulls[kTermRows];
  for (std::size_t first = 0; first < terms.size(); first += kTermRows) {
    const std::span<const Term> block = terms.subspan(first, std::min(kTermRows, terms.size() - first));
    for (std::size_t i = 0; i < block.size(); ++i) {
      // With the root in both factors of a product the weight stands in it once; and since the packed vector carries
      // one root already, the pull needs only the other one. Kernels subtract, hence the sign.
      const float root = std::sqrt(block[i].weight);
      pack(block[i].vector, dim_, root, i, kStride, equations->packed.data());
      pulls[i] = -root * target(block[i].weight);
    }
    add_gram(*kernels_, equations->packed.data(), kStride, block.size(), &matrix);
    for (std::size_t j = 0; j < matrix.tiles(); ++j) {
      const float* panel = equations->packed.data() + j * kStride;
      kernels_->subtract_combination(pulls, panel, block.size(), equations->right_side.data() + j * kTile);
    }
  }
}

}  // namespace cairn::gpu
