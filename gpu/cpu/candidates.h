#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gpu/cpu/kernels.h"

namespace cairn::gpu {

/// What the bounds of one query's scores are worth.
struct BoundKind {
  const TopKKernels* kernels = nullptr;
  std::size_t k = 0;
  std::span<const std::uint32_t> excluded = {};  ///< ascending
  bool exact = false;                            ///< both bounds are the score
  float inverse_scale = 1.0F;                    ///< turns a score into the units of the bounds
  float rounding = 0.0F;  ///< what rounding may put scores and bounds off by, beside a part of themselves
};

/// Rows that may be among the k best of one query. Grows by hits of a scan, shrinks by what the k best lower bounds
/// rule out. One thread.
class Candidates {
 public:
  /// Gives the scores of rows.
  using Score = std::function<void(std::span<const std::uint32_t> rows, std::span<float> scores)>;

  void reset(const BoundKind& kind);

  /// Room for `rows` hits. What a scan lists there counts after `commit`.
  [[nodiscard]] HitList room_for(std::size_t rows);
  /// Takes over what the scan listed, and shrinks when there is much.
  void commit(const HitList& hits);
  void add(const Candidates& others);
  /// Rules out what it can.
  void shrink();
  /// Takes out the k rows of the largest bounds, with their scores, and rules out what does not reach the least of
  /// these. Takes out nothing where all that is left are k, or scores already.
  void take_best(const Score& score, std::vector<std::uint32_t>* rows, std::vector<float>* scores);
  /// Whether bounds alone rule out so little that the rows should be scored.
  [[nodiscard]] bool crowded() const noexcept;
  /// Scores what bounds could not rule out, which leaves the k best.
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
