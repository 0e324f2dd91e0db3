#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/cpu/scan_kernels.h"

namespace cairn::gpu {

/// The rows that may be among the k best of one query, or within the slack of the k-th: rows come in, and when they
/// have doubled, those that are out of reach go. A threshold tells which rows need not come in at all. What is left in
/// the end does not depend on when that happens. Threads: one at a time.
class ScanPool {
 public:
  void reset(const ScanKernels* kernels, std::size_t k, float slack);

  /// Room for so many rows behind those there are; `commit` says how many came.
  void make_room(std::size_t rows);
  [[nodiscard]] std::uint32_t* next_rows() noexcept { return rows_.data() + count_; }
  [[nodiscard]] float* next_scores() noexcept { return scores_.data() + count_; }
  void commit(std::size_t rows);

  /// Adds the rows of another part of the table, which come after those here.
  void append(const ScanPool& others);
  /// Lets go now of the rows that are out of reach; returns the threshold.
  float settle();
  /// Leaves the answer only, best first; of equal scores the lower row.
  void finish(std::vector<std::uint32_t>* rows, std::vector<float>* scores);

  /// No row below this can be answered. Only rises.
  [[nodiscard]] float threshold() const noexcept { return threshold_; }
  void raise_threshold(float threshold) noexcept { threshold_ = threshold > threshold_ ? threshold : threshold_; }
  [[nodiscard]] bool takes_none() const noexcept { return k_ == 0; }

 private:
  void cut();
  [[nodiscard]] float kth_bound();

  const ScanKernels* kernels_ = nullptr;
  std::size_t k_ = 0;
  float slack_ = 0.0F;
  std::size_t count_ = 0;
  std::size_t limit_ = 0;  // cut when there are more
  float threshold_ = 0.0F;
  float kth_bound_ = 0.0F;  // the k-th best score is at least this
  std::size_t cut_ = 0;     // rows before this are what the last cut left
  float least_ = 0.0F;      // of all rows that cuts have seen
  float largest_ = 0.0F;
  std::vector<std::uint32_t> rows_;  // ascending
  std::vector<float> scores_;
  std::vector<float> scratch_;
};

}  // namespace cairn::gpu
