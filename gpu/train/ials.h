#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/fold_in.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"

namespace cairn::gpu {

struct IalsOptions {
  std::size_t dim = 128;
  /// Columns that are solved for together (iALS++). 0, or dim and more: whole rows, as in plain alternating least
  /// squares. Whole rows are faster where rows are short, because a row with few interactions is solved as a system of
  /// that few unknowns.
  std::size_t block = 0;
  FoldInOptions objective = {};  ///< for users against items, and for items against users
  float init_stddev = 0.1F;      ///< of the first factors, divided by √dim
  std::uint64_t seed = 1;
  std::size_t threads = 0;     ///< 0: all processors
  Backend* backend = nullptr;  ///< if given, whole rows are solved by its FoldIn, and `block` is ignored; borrowed
};

/// Vectors of both sides, row-major.
struct IalsFactors {
  std::size_t dim = 0;
  std::vector<float> users = {};  ///< users × dim
  std::vector<float> items = {};  ///< items × dim
};

/// Factorises implicit feedback: minimises, over user vectors w_u and item vectors x_i,
///
///     sum over interactions of c_ui (w_u·x_i - t_ui)²  +  unobserved_weight · sum over all pairs of (w_u·x_i)²
///     + sum_u λ_u ‖w_u‖² + sum_i λ_i ‖x_i‖²
///
/// where t and λ are FoldInOptions' for the row of a user (t and λ_u) or of an item (λ_i), by alternating
/// least squares (Hu, Koren and Volinsky, ICDM 2008; Rendle et al., arXiv 2110.14037) in blocks of columns (iALS++,
/// arXiv 2110.14044). An epoch solves for all users once, then for all items once. Only products of a user and an item
/// have a meaning: an epoch may rotate the coordinates of both sides. Rows without interactions become zero.
///
/// Same factors for any number of threads, and the same whether run at once or saved and restored between epochs.
/// Threads: one at a time.
class IalsTrainer {
 public:
  /// `interactions` is users × items; what it views is borrowed for the trainer's life.
  /// Returns: INVALID_ARGUMENT for options or shapes that make no sense, and values that are not finite and positive.
  [[nodiscard]] static Result<std::unique_ptr<IalsTrainer>> create(const SparseView& interactions,
                                                                   const IalsOptions& options);
  virtual ~IalsTrainer() = default;

  /// Does one more epoch. After an error the factors are those before the half epoch that failed.
  /// Returns: CANCELLED; FAILED_PRECONDITION when a system is not positive definite (regularization too small), and
  /// what the backend returns.
  [[nodiscard]] virtual Status epoch(const Progress& progress = {}) = 0;
  /// The objective above, over all pairs; summed in fp64.
  [[nodiscard]] virtual double loss() const = 0;

  [[nodiscard]] virtual std::size_t epochs_done() const noexcept = 0;
  [[nodiscard]] virtual const IalsFactors& factors() const noexcept = 0;
  /// Continues from the factors that a trainer with the same interactions and options had after `epochs_done` epochs.
  /// Returns: INVALID_ARGUMENT when the shape is another.
  [[nodiscard]] virtual Status restore(IalsFactors factors, std::size_t epochs_done) = 0;

 protected:
  IalsTrainer() = default;
  IalsTrainer(const IalsTrainer&) = default;
  IalsTrainer& operator=(const IalsTrainer&) = default;
};

}  // namespace cairn::gpu
