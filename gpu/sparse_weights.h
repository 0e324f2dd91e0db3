#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "gpu/item_matrix.h"
#include "gpu/matrix.h"
#include "gpu/top_k.h"

namespace cairn::gpu {

/// Sparse weights between items. Rows are items of a history: entry (i, j) is what item i in the history adds to the
/// score of item j. Immutable.
/// Threads: any number may call any method at once.
class SparseWeights {
 public:
  /// No items at all.
  SparseWeights() = default;

  /// Copies a matrix, its values kept in fp32 or rounded to fp16.
  /// Returns: INVALID_ARGUMENT when the view is no valid CSR matrix or the precision is another.
  [[nodiscard]] static Result<SparseWeights> make(const SparseView& weights, Precision storage = Precision::kFp32);
  /// Takes over the arrays of a matrix; `values` has one value for each of `columns`.
  /// Returns: INVALID_ARGUMENT when they are no valid CSR matrix.
  [[nodiscard]] static Result<SparseWeights> take(std::size_t width, std::vector<std::uint64_t> offsets,
                                                  std::vector<std::uint32_t> columns, std::vector<float> values);

  [[nodiscard]] std::size_t rows() const noexcept { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] std::size_t entries() const noexcept { return columns_.size(); }
  [[nodiscard]] Precision storage() const noexcept { return storage_; }
  [[nodiscard]] std::size_t resident_bytes() const noexcept;

  [[nodiscard]] std::span<const std::uint64_t> offsets() const noexcept { return offsets_; }  ///< rows + 1
  [[nodiscard]] std::span<const std::uint32_t> columns() const noexcept { return columns_; }  ///< ascending in a row
  [[nodiscard]] std::span<const float> values() const noexcept { return values_; }  ///< empty where kept in fp16
  [[nodiscard]] std::span<const std::uint16_t> halves() const noexcept { return halves_; }  ///< empty where in fp32
  [[nodiscard]] float value(std::size_t entry) const noexcept;

  /// scores[j] += weights[h] × (history[h], j) for every h, in the order of the history, one rounding an operation.
  /// `weights` are one a row of the history, or empty: all 1. `scores` has `width` values.
  /// Requires: the rows of the history exist.
  void accumulate(std::span<const std::uint32_t> history, std::span<const float> weights,
                  std::span<float> scores) const;

  /// The same weights in another precision, or with only the `keep` entries of largest magnitude of each row (of equal
  /// ones the lower columns).
  [[nodiscard]] Result<SparseWeights> stored_as(Precision storage) const;
  [[nodiscard]] SparseWeights pruned(std::size_t keep) const;

 private:
  std::size_t width_ = 0;
  Precision storage_ = Precision::kFp32;
  std::vector<std::uint64_t> offsets_;
  std::vector<std::uint32_t> columns_;
  std::vector<float> values_;
  std::vector<std::uint16_t> halves_;
};

/// Answers one query whose scores are already computed: the k best under a filter, where "better" is as for ItemMatrix.
/// A filter's bias is added to the scores, rounded once.
/// Returns: INVALID_ARGUMENT for k or a filter that TopKBatch and RowFilter do not allow.
[[nodiscard]] Status top_k_of_scores(std::span<const float> scores, std::size_t k, const RowFilter& filter,
                                     TopKAnswers* answers);

}  // namespace cairn::gpu
