#include "tests/gpu/top_k_oracle.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace cairn::gpu::testing {
namespace {

bool in_ranges(const RowFilter& filter, std::uint32_t row) {
  if (!filter.ranges) return true;
  return std::any_of(filter.ranges->begin(), filter.ranges->end(),
                     [&](const RowRange& range) { return row >= range.begin && row < range.end; });
}

float score_of(std::span<const float> row, std::span<const float> query) {
  float sum = 0.0F;
  for (std::size_t j = 0; j < row.size(); ++j) sum = std::fmaf(query[j], row[j], sum);
  return sum;
}

}  // namespace

std::vector<std::pair<std::uint32_t, float>> top_k_oracle(const MatrixView& items, std::span<const float> query,
                                                          std::size_t k, const RowFilter& filter) {
  const std::set<std::uint32_t> excluded(filter.excluded.begin(), filter.excluded.end());
  std::vector<std::pair<std::uint32_t, float>> scored;
  for (std::uint32_t row = 0; row < items.rows; ++row) {
    if (!in_ranges(filter, row) || excluded.count(row) > 0) continue;
    if (filter.allowed && ((*filter.allowed)[row / 64] >> (row % 64) & 1) == 0) continue;
    float score = score_of(items.row(row), query);
    if (!filter.bias.empty()) score += filter.bias[row];
    if (!std::isnan(score)) scored.emplace_back(row, score);
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (scored.size() > k) scored.resize(k);
  return scored;
}

}  // namespace cairn::gpu::testing
