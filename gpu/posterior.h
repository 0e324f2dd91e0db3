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

/// What is known of every query before its interactions: the objective of FoldInOptions for fixed items. Copies share
/// it and are cheap. Threads: any.
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

/// The normal equations A w = b of one query, kept in factored form. Fold-in would solve them anew for each
/// interaction; this takes up one more at a cost of dim². As a Bayesian posterior, w is Gaussian around vector() with a
/// covariance proportional to A⁻¹.
///
/// λ is the penalty of the interactions known at make() or refresh(). With frequency_exponent 0 it does not depend on
/// their number, and add() gives what folding in the longer row would give, up to rounding. With another exponent λ
/// should grow with each interaction, which no update of dim² can do. The vector then differs from that of the longer
/// row by at most (λ of the longer row / λ kept - 1) times its length. With n interactions at first, m added, N items
/// and exponent e, that quotient is ((n + m + unobserved_weight · N) / (n + unobserved_weight · N))^e, which is hardly
/// above 1 where there are many items.
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

  /// Sets λ to its value for the present number of interactions. Cost: dim³ / 3, nothing with exponent 0.
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
