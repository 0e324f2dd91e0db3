#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "gpu/cpu/panels.h"
#include "gpu/fold_in.h"

namespace cairn::gpu {

/// An interaction as the normal equations see it.
struct Term {
  const float* vector = nullptr;  ///< dim values
  float weight = 1.0F;
};

/// The normal equations A w = b of one query vector, padded as Panels are. Callers that solve many keep an object,
/// because it holds working memory.
struct NormalEquations {
  Panels matrix;
  AlignedVector<float> right_side;
  AlignedVector<float> packed;  ///< terms on their way into the matrix
};

/// The Gram matrix of `items`, values as Panels of their dimension lays them out. Sums of 256 items in float are added
/// in double, in an order that the number of `threads` (0: all) does not change.
/// Requires: the shapes fit. Returns: INVALID_ARGUMENT for values that are not finite, or whose squares are not.
[[nodiscard]] Result<std::vector<double>> gram_of(MatrixView items, const DenseKernels& kernels, std::size_t threads);

/// λ of a row with so many interactions, against so many items.
[[nodiscard]] float penalty_of(const FoldInOptions& options, std::size_t items, std::size_t interactions) noexcept;
/// What the score of an interaction of this weight is pulled to.
[[nodiscard]] float target_of(const FoldInOptions& options, float weight) noexcept;

/// The objective of FoldInOptions for fixed items: all of it but the interactions. Immutable.
class Objective {
 public:
  /// Reads `items` once, as gram_of does.
  /// Returns: INVALID_ARGUMENT for shapes, options or values that make no sense.
  [[nodiscard]] static Result<Objective> make(MatrixView items, const FoldInOptions& options,
                                              const DenseKernels& kernels, std::size_t threads);

  [[nodiscard]] const FoldInOptions& options() const noexcept { return options_; }
  [[nodiscard]] const DenseKernels& kernels() const noexcept { return *kernels_; }
  [[nodiscard]] std::size_t items() const noexcept { return items_; }
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }

  /// λ for so many interactions.
  [[nodiscard]] float penalty(std::size_t interactions) const noexcept {
    return penalty_of(options_, items_, interactions);
  }
  /// What the score of an interaction is pulled to.
  [[nodiscard]] float target(float weight) const noexcept { return target_of(options_, weight); }

  /// The diagonal of unobserved_weight · Gram, and its least and its largest element.
  [[nodiscard]] std::span<const float> unobserved_diagonal() const noexcept { return diagonal_; }
  [[nodiscard]] std::pair<float, float> unobserved_range() const noexcept { return range_; }

  /// A = unobserved_weight · Gram + λ I + the sum of weight · vector vectorᵀ; b = the sum of weight · target · vector.
  /// Sums run in the order of the terms.
  void set_up(std::span<const Term> terms, NormalEquations* equations) const;

 private:
  Objective() = default;

  FoldInOptions options_;
  const DenseKernels* kernels_ = nullptr;
  std::size_t items_ = 0;
  std::size_t dim_ = 0;
  Panels unobserved_;  ///< unobserved_weight · Gram
  std::vector<float> diagonal_;
  std::pair<float, float> range_;
};

}  // namespace cairn::gpu
