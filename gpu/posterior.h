#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/fold_in.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

class Objective;

/// What is known of a query before its interactions: the objective of FoldInOptions for fixed items. Cheap to copy, as
/// copies share it. Threads: any.
class Prior {
 public:
  /// Reads `items` once, on at most `threads` threads (0: all), and keeps none of them.
  /// Returns: INVALID_ARGUMENT for shapes, options and values that make no sense; FAILED_PRECONDITION when this machine
  /// lacks the instruction set.
  [[nodiscard]] static Result<Prior> make(MatrixView items, const FoldInOptions& options,
                                          InstructionSet set = best_instruction_set(), std::size_t threads = 1);

  [[nodiscard]] std::size_t dim() const noexcept;
  [[nodiscard]] const Objective& objective() const noexcept { return *objective_; }

 private:
  explicit Prior(std::shared_ptr<const Objective> objective) : objective_(std::move(objective)) {}

  std::shared_ptr<const Objective> objective_;
};

/// The normal equations A w = b of one query, factored, which take up one interaction at a time: what fold-in finds for
/// a row, kept so that the next interaction costs dim² instead of a new row. Read as Bayes does, w is Gaussian around
/// vector() with covariance proportional to A⁻¹.
///
/// λ is that of the interactions known at make() or refresh(). With frequency_exponent 0 that is the λ of any number of
/// them, and add() gives what a new row would give, up to rounding. With another exponent λ should have grown, which no
/// update of dim² can do; the vector then differs from that of a new row by at most (λ of a new row / λ kept - 1) times
/// its length. With `n` interactions, N items, exponent e and m interactions added, that quotient is
/// ((n + m + unobserved_weight · N) / (n + unobserved_weight · N))^e: hardly above 1 where there are many items.
///
/// Threads: one at a time; const methods any number at once.
class Posterior {
 public:
  /// A query with the interactions `weights` (empty: all 1) with the items whose vectors are `vectors`
  /// (interactions × dim). There may be none.
  /// Returns: INVALID_ARGUMENT for shapes that do not fit, values that are not finite and weights that are not
  /// positive; FAILED_PRECONDITION when A is not positive definite (regularization too small).
  [[nodiscard]] static Result<Posterior> make(const Prior& prior, MatrixView vectors, std::span<const float> weights);

  ~Posterior();
  Posterior(Posterior&&) noexcept;
  Posterior& operator=(Posterior&&) noexcept;

  [[nodiscard]] std::size_t dim() const noexcept;
  [[nodiscard]] std::size_t interactions() const noexcept;
  [[nodiscard]] float penalty() const noexcept;  ///< λ

  /// One more interaction: A gains weight · item itemᵀ, b gains weight · target · item. The factor is rotated into that
  /// of the new A (Gill, Golub, Murray and Saunders, Math. Comp. 28, 1974). Cost: dim².
  /// Returns: INVALID_ARGUMENT for an item that is not dim finite values, or a weight that is not finite and positive.
  [[nodiscard]] Status add(std::span<const float> item, float weight);

  /// Gives λ the value that it has for the interactions there are by now. Cost: dim³ / 3, nothing with exponent 0.
  /// Returns: FAILED_PRECONDITION when A is not positive definite, and changes nothing.
  [[nodiscard]] Status refresh();

  /// A⁻¹ b.
  [[nodiscard]] std::vector<float> vector() const;

  /// out[r] = xᵀ A⁻¹ x for the rows x of `rows` (out.size() × dim), not negative. Sixteen rows cost little more than
  /// one. Returns: INVALID_ARGUMENT for shapes that do not fit.
  [[nodiscard]] Status variances(MatrixView rows, std::span<float> out) const;

  /// A draw from the Gaussian around 0 with covariance A⁻¹: the inverse factor times independent standard normal
  /// numbers that depend on the seed alone.
  [[nodiscard]] std::vector<float> deviation(std::uint64_t seed) const;

 private:
  struct State;
  explicit Posterior(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace cairn::gpu
