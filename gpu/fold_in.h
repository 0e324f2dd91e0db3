#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

/// The objective whose minimum is a query vector w, for items x_j and the interactions i of one row with weights c_i:
///
///     sum_i c_i (w·x_i - t_i)²  +  unobserved_weight · sum_j (w·x_j)²  +  λ ‖w‖²
///     λ = regularization · (number of interactions + unobserved_weight · number of items)^frequency_exponent
///
/// The target t_i is 1 in the form of Rendle et al. (arXiv 2110.14037): all scores are pulled towards 0, and those of
/// interactions towards 1 besides. It is 1 + unobserved_weight / c_i in the form of Hu, Koren and Volinsky (ICDM 2008,
/// weights α·r): there the two pulls of an interaction add up to one pull towards 1. With a frequency exponent of 0, λ
/// is a plain ridge penalty.
struct FoldInOptions {
  enum class Target : std::uint8_t { kOne, kHuKorenVolinsky };

  Target target = Target::kOne;
  float unobserved_weight = 0.1F;
  float regularization = 0.003F;
  float frequency_exponent = 1.0F;
};

/// Finds query vectors for rows of interactions, against fixed item vectors whose Gram matrix is computed once.
/// Threads: any number may call any method at once.
class FoldIn {
 public:
  virtual ~FoldIn() = default;

  [[nodiscard]] virtual std::size_t items() const noexcept = 0;
  [[nodiscard]] virtual std::size_t dim() const noexcept = 0;

  /// Solves the normal equations of row r of `interactions` (width = items) by Cholesky's method and writes the vector
  /// to vectors[r * dim] and after. A row without interactions gives the zero vector. Returns: INVALID_ARGUMENT for
  /// shapes that do not fit, columns out of range or weights that are not finite and positive; FAILED_PRECONDITION when
  /// a system is not positive definite (regularization too small).
  [[nodiscard]] virtual Status solve(const SparseView& interactions, std::span<float> vectors) const = 0;

 protected:
  FoldIn() = default;
  FoldIn(const FoldIn&) = default;
  FoldIn& operator=(const FoldIn&) = default;
};

/// The first says what is wrong with items and options, the second what is wrong with rows of interactions with `items`
/// items. Every backend calls them first. Return: INVALID_ARGUMENT.
[[nodiscard]] Status check_objective(MatrixView items, const FoldInOptions& options);
[[nodiscard]] Status check_interactions(const SparseView& rows, std::size_t items);

}  // namespace cairn::gpu
