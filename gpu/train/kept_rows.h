#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/sparse_weights.h"

namespace cairn::gpu {

/// What decides which entries of a row are the largest.
enum class KeptBy : std::uint8_t {
  kMagnitude,
  kValue,  ///< what is negative goes first
};

/// Makes sparse weights of rows that come dense, some at a time: of each row, the largest entries that are not 0 and
/// not on the diagonal; of equal ones the lower columns.
class KeptRows {
 public:
  /// For `items` rows and columns.
  KeptRows(std::size_t items, std::size_t keep, KeptBy by = KeptBy::kMagnitude);

  /// The rows [first, first + rows.size() / items), on at most `threads` threads. Each row is put once.
  void put(std::size_t first, std::span<const float> rows, std::size_t threads);

  /// Returns: INVALID_ARGUMENT when a kept value is not finite.
  [[nodiscard]] Result<SparseWeights> finish() &&;

 private:
  void put_row(std::size_t row, std::span<const float> values);

  std::size_t items_;
  std::size_t keep_;
  KeptBy by_;
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> columns_;  ///< items × keep
  std::vector<float> values_;           ///< items × keep
};

}  // namespace cairn::gpu
