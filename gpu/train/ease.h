#pragma once

#include <cstddef>
#include <cstdint>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"
#include "gpu/sparse_weights.h"
#include "gpu/train/kept_rows.h"

namespace cairn::gpu {

/// With X the interactions (users × items), d their degrees (numbers of interactions, at least 1),
///
///     R = diag(d_u^-user_exponent) · X · diag(g),   g_i = (item_offset + item_slope · d_i)^-item_exponent
///     W = Rᵀ (R Rᵀ + λ I)⁻¹ R = I - λ (Rᵀ R + λ I)⁻¹        λ = regularization
///     weight (i, j) = g_i · W_ij / (1 - W_jj)^diagonal_exponent · d_j^output_exponent      for i ≠ j
///
/// diagonal_exponent 1 is EASE^R (Steck, WWW 2019), whose weights have a zero diagonal by constraint; 0 is a ridge
/// regression with the diagonal left out. item_offset 1, item_slope p, item_exponent 0.5, output_exponent 0 regularises
/// by degree, as dropout does (Steck, NeurIPS 2020), up to a scale of each column.
struct EaseOptions {
  enum class Form : std::uint8_t {
    kAuto,    ///< the smaller of both
    kPrimal,  ///< inverts items × items
    kDual,    ///< inverts users × users
  };

  float regularization = 200.0F;
  float user_exponent = 0.0F;
  float item_offset = 0.0F;
  float item_slope = 1.0F;
  float item_exponent = 0.0F;
  float diagonal_exponent = 1.0F;
  float output_exponent = 0.0F;
  std::size_t keep = 500;  ///< weights that are kept of each row
  KeptBy kept_by = KeptBy::kValue;
  Form form = Form::kAuto;
  std::size_t memory_max_bytes = std::size_t{12} << 30;  ///< for the work, beside the interactions and the result
  std::size_t threads = 0;                               ///< 0: all processors
};

/// Learns weights between items in closed form. `interactions` is users × items; its values are the weights in X.
/// Cost: n³ / 2 multiply-adds for the inverse, n the smaller of users and items, and 4 n² bytes.
/// Returns: INVALID_ARGUMENT for options or shapes that make no sense; RESOURCE_EXHAUSTED when the work needs more than
/// memory_max_bytes; FAILED_PRECONDITION when the matrix cannot be inverted (regularization too small); CANCELLED.
[[nodiscard]] Result<SparseWeights> train_ease(const SparseView& interactions, const EaseOptions& options,
                                               const Progress& progress = {});

}  // namespace cairn::gpu
