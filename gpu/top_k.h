#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "gpu/matrix.h"
#include "gpu/rows.h"

namespace cairn::gpu {

/// The most rows that can be asked for, on every backend.
inline constexpr std::size_t kTopKMax = 1024;

/// Which rows a query may be answered with, and what is added to their scores. What is absent restricts nothing; what
/// is present and empty lets nothing pass. A row has to pass all of them.
struct RowFilter {
  std::optional<std::span<const RowRange>> ranges = {};        ///< ascending, disjoint, within the matrix
  std::optional<std::span<const std::uint64_t>> allowed = {};  ///< bit r % 64 of word r / 64; ceil(rows / 64) words
  std::span<const std::uint32_t> excluded = {};                ///< ascending rows
  std::span<const float> bias = {};                            ///< one a row, or empty: 0
};

/// The filter of one query, of none, one for all queries, or one a query.
[[nodiscard]] inline const RowFilter& filter_of(std::span<const RowFilter> filters, std::size_t query) noexcept {
  static const RowFilter kNoFilter;
  if (filters.empty()) return kNoFilter;
  return filters[filters.size() == 1 ? 0 : query];
}

/// Queries that are answered together.
struct TopKBatch {
  MatrixView queries = {};                  ///< batch × dim of the item matrix
  std::size_t k = 0;                        ///< at most kTopKMax
  std::span<const RowFilter> filters = {};  ///< none, one for all queries, or one a query
};

/// What answering took, for metrics and benches.
struct TopKWork {
  std::uint64_t rows_scanned = 0;   ///< rows × queries whose score was bounded
  std::uint64_t rows_scored = 0;    ///< rows × queries whose score was computed in fp32
  std::uint64_t queries_exact = 0;  ///< queries that no bound could be proven for: every row was scored in fp32
};

/// The k best rows of each query, best first: row and score (q, i) at [q * k + i]. Where fewer rows pass, the rest is
/// kNoRow with score NaN.
struct TopKAnswers {
  std::size_t k = 0;
  std::vector<std::uint32_t> rows = {};    ///< batch × k
  std::vector<float> scores = {};          ///< batch × k
  std::vector<std::uint32_t> counts = {};  ///< batch; how many of the k there are
  TopKWork work = {};

  /// No row for each of so many queries, to be filled in.
  void reset(std::size_t queries, std::size_t per_query) {
    k = per_query;
    rows.assign(queries * k, kNoRow);
    scores.assign(queries * k, std::numeric_limits<float>::quiet_NaN());
    counts.assign(queries, 0);
    work = {};
  }

  [[nodiscard]] std::span<const std::uint32_t> rows_of(std::size_t query) const noexcept {
    return std::span(rows).subspan(query * k, counts[query]);
  }
  [[nodiscard]] std::span<const float> scores_of(std::size_t query) const noexcept {
    return std::span(scores).subspan(query * k, counts[query]);
  }
};

}  // namespace cairn::gpu
