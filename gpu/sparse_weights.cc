#include "gpu/sparse_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "gpu/half.h"
#include "gpu/select_k.h"
#include "gpu/sparse_matrix.h"

namespace cairn::gpu {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The entries of the `keep` largest magnitudes among `values`, ascending.
std::vector<std::uint32_t> largest(std::span<const float> values, std::size_t keep) {
  std::vector<std::uint32_t> entries(values.size());
  std::iota(entries.begin(), entries.end(), 0U);
  if (entries.size() > keep) {
    const auto larger = [&](std::uint32_t a, std::uint32_t b) {
      const float first = std::fabs(values[a]);
      const float second = std::fabs(values[b]);
      // Of equal magnitudes the lower entry, so that the result does not depend on the library's algorithm.
      return first > second || (first == second && a < b);
    };
    const auto end = entries.begin() + static_cast<std::ptrdiff_t>(keep);
    std::nth_element(entries.begin(), end, entries.end(), larger);
    entries.resize(keep);
    std::sort(entries.begin(), entries.end());
  }
  return entries;
}

/// Makes NaN what the filter does not let pass.
void hide(const RowFilter& filter, std::vector<float>* scores) {
  if (filter.ranges) {
    // Hides the gaps before, between and after the ranges. They ascend, so each gap begins where the last range ended.
    auto hidden = scores->begin();
    for (const RowRange& range : *filter.ranges) {
      std::fill(hidden, scores->begin() + range.begin, kNaN);
      hidden = scores->begin() + range.end;
    }
    std::fill(hidden, scores->end(), kNaN);
  }
  for (std::size_t row = 0; filter.allowed && row < scores->size(); ++row) {
    if (((*filter.allowed)[row / 64] >> (row % 64) & 1U) == 0) (*scores)[row] = kNaN;
  }
  for (const std::uint32_t row : filter.excluded) {
    if (row < scores->size()) (*scores)[row] = kNaN;
  }
}

}  // namespace

Result<SparseWeights> SparseWeights::make(const SparseView& weights, Precision storage) {
  CAIRN_ASSIGN_OR_RETURN(
      SparseWeights copy,
      take(weights.width, {weights.offsets.begin(), weights.offsets.end()},
           {weights.columns.begin(), weights.columns.end()},
           weights.values.empty() ? std::vector<float>(weights.columns.size(), 1.0F)
                                  : std::vector<float>(weights.values.begin(), weights.values.end())));
  if (storage == Precision::kFp32) return copy;
  return copy.stored_as(storage);
}

Result<SparseWeights> SparseWeights::take(std::size_t width, std::vector<std::uint64_t> offsets,
                                          std::vector<std::uint32_t> columns, std::vector<float> values) {
  if (values.size() != columns.size()) {
    return invalid_argument(std::to_string(values.size()) + " values for " + std::to_string(columns.size()) +
                            " columns");
  }
  CAIRN_RETURN_IF_ERROR(check_sparse({offsets, columns, values, width}));
  SparseWeights weights;
  weights.width_ = width;
  weights.offsets_ = std::move(offsets);
  weights.columns_ = std::move(columns);
  weights.values_ = std::move(values);
  return weights;
}

std::size_t SparseWeights::resident_bytes() const noexcept {
  const auto bytes = [](const auto& vector) { return vector.capacity() * sizeof vector[0]; };
  return bytes(offsets_) + bytes(columns_) + bytes(values_) + bytes(halves_);
}

float SparseWeights::value(std::size_t entry) const noexcept {
  return storage_ == Precision::kFp16 ? float_of_half(halves_[entry]) : values_[entry];
}

void SparseWeights::accumulate(std::span<const std::uint32_t> history, std::span<const float> weights,
                               std::span<float> scores) const {
  CAIRN_CHECK(scores.size() == width_ && (weights.empty() || weights.size() == history.size()));
  for (std::size_t h = 0; h < history.size(); ++h) {
    CAIRN_CHECK(history[h] < rows());
    const float weight = weights.empty() ? 1.0F : weights[h];
    for (std::size_t entry = offsets_[history[h]]; entry < offsets_[history[h] + 1]; ++entry) {
      // In the order of the history and the row: sums of floats depend on it.
      scores[columns_[entry]] += weight * value(entry);
    }
  }
}

Result<SparseWeights> SparseWeights::stored_as(Precision storage) const {
  if (storage != Precision::kFp32 && storage != Precision::kFp16) {
    return invalid_argument("weights between items are kept in fp32 or fp16, not in " +
                            std::string(to_string(storage)));
  }
  SparseWeights other;
  other.width_ = width_;
  other.storage_ = storage;
  other.offsets_ = offsets_;
  other.columns_ = columns_;
  for (std::size_t entry = 0; entry < entries(); ++entry) {
    if (storage == Precision::kFp16) {
      other.halves_.push_back(half_of_float(value(entry)));
    } else {
      other.values_.push_back(value(entry));
    }
  }
  return other;
}

SparseWeights SparseWeights::pruned(std::size_t keep) const {
  SparseWeights kept;
  kept.width_ = width_;
  kept.storage_ = storage_;
  if (!offsets_.empty()) kept.offsets_.push_back(0);
  std::vector<float> row;
  for (std::size_t r = 0; r < rows(); ++r) {
    row.clear();
    for (std::size_t entry = offsets_[r]; entry < offsets_[r + 1]; ++entry) row.push_back(value(entry));
    for (const std::uint32_t i : largest(row, keep)) {
      const std::size_t entry = offsets_[r] + i;
      kept.columns_.push_back(columns_[entry]);
      if (storage_ == Precision::kFp16) {
        kept.halves_.push_back(halves_[entry]);
      } else {
        kept.values_.push_back(values_[entry]);
      }
    }
    kept.offsets_.push_back(kept.columns_.size());
  }
  return kept;
}

Status top_k_of_scores(std::span<const float> scores, std::size_t k, const RowFilter& filter, TopKAnswers* answers) {
  CAIRN_RETURN_IF_ERROR(check_batch({.queries = {.rows = 1}, .k = k, .filters = {&filter, 1}}, scores.size(), 0));
  // select_k never selects NaN, so rows that a filter stops become NaN in a copy.
  std::vector<float> passing(scores.begin(), scores.end());
  for (std::size_t row = 0; row < filter.bias.size(); ++row) passing[row] += filter.bias[row];
  hide(filter, &passing);
  select_k(passing, k, &answers->rows);
  answers->k = k;
  answers->counts = {static_cast<std::uint32_t>(answers->rows.size())};
  answers->scores.clear();
  for (const std::uint32_t row : answers->rows) answers->scores.push_back(passing[row]);
  answers->rows.resize(k, kNoRow);
  answers->scores.resize(k, kNaN);
  answers->work = {.rows_scored = scores.size()};
  return ok_status();
}

}  // namespace cairn::gpu
