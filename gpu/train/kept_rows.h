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
  kValue,  ///< negative values are the first to be dropped
};

/// Makes sparse weights from dense rows, which come some at a time. It keeps the largest entries of each row and, of
/// equal ones, the lower columns; entries that are 0 or on the diagonal are left out.
class KeptRows {
 public:
  /// For `items` rows and columns.
  KeptRows(std::size_t items, std::size_t keep, KeptBy by = KeptBy::kMagnitude);

  /// Takes the rows [first, first + rows.size() / items), on at most `threads` threads. Requires: each row is put once.
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
