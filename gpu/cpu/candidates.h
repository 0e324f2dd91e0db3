#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gpu/cpu/kernels.h"

namespace cairn::gpu {

/// How the bounds of one query's scores are to be read.
struct BoundKind {
  const TopKKernels* kernels = nullptr;
  std::size_t k = 0;
  std::span<const std::uint32_t> excluded = {};  ///< ascending
  bool exact = false;                            ///< both bounds are the score
  float inverse_scale = 1.0F;                    ///< turns a score into the units of the bounds
  float rounding = 0.0F;  ///< how far rounding may move scores and bounds, beside a fixed part of themselves
};

/// Rows that may be among the k best of one query, each with an upper and a lower bound of its score. Hits of a scan
/// add rows; a row is ruled out when k others are surely better, that is, when its upper bound is below the k-th best
/// lower bound. Threads: one at a time.
class Candidates {
 public:
  /// Gives the scores of rows.
  using Score = std::function<void(std::span<const std::uint32_t> rows, std::span<float> scores)>;

  void reset(const BoundKind& kind);

  /// Room for `rows` more hits behind the candidates there are. Hits that a scan lists there count after `commit`.
  [[nodiscard]] HitList room_for(std::size_t rows);
  /// Takes over the hits that a scan listed, and shrinks when there are many.
  void commit(const HitList& hits);
  /// Adds the candidates of another part of the matrix, for the same query.
  void add(const Candidates& others);
  /// Rules out every row that k others are surely better than.
  void shrink();
  /// Shrinks, then scores the k rows with the largest upper bounds and moves them, with their scores, to `rows` and
  /// `scores`. The worst of these scores raises the threshold, which rules out most rows that are left. When at most k
  /// rows are left after shrinking, or bounds are scores already, nothing is moved.
  void take_best(const Score& score, std::vector<std::uint32_t>* rows, std::vector<float>* scores);
  /// Whether bounds rule out so few rows that it is cheaper to score the candidates than to keep them.
  [[nodiscard]] bool crowded() const noexcept;
  /// Scores all candidates and keeps the k best; their bounds are their scores from then on.
  void settle(const Score& score);

  /// No row whose upper bound is below this can be among the k best. Only rises.
  [[nodiscard]] float threshold() const noexcept { return threshold_; }
  void raise_threshold(float threshold) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] std::span<const std::uint32_t> rows() const noexcept { return std::span(rows_).first(count_); }
  [[nodiscard]] std::span<const float> upper() const noexcept { return std::span(upper_).first(count_); }

 private:
  void drop_excluded();
  void drop_below_threshold();
  void move_row(std::size_t from, std::size_t to);
  float keep_best();
  [[nodiscard]] float rounded_down(float bound) const;
  [[nodiscard]] float kth_largest(const std::vector<float>& bounds);
  [[nodiscard]] float kth_lower_bound();

  BoundKind kind_;
  std::size_t count_ = 0;
  std::size_t checked_ = 0;  // rows before this are not excluded
  std::size_t limit_ = 0;    // shrink when there are more
  float threshold_ = 0.0F;
  std::vector<std::uint32_t> rows_;
  std::vector<float> upper_;
  std::vector<float> lower_;
  std::vector<float> scratch_;
};

}  // namespace cairn::gpu
