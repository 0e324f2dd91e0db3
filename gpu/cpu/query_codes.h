#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gpu/cpu/code_tiles.h"

namespace cairn::gpu {

/// A query in the codes that a matrix is scanned with, and what bounds its errors.
struct QueryCodes {
  float inverse_scale = 1.0F;
  float rounding = 0.0F;  ///< in units of the scale: how far roundings of sums and scores may reach
  bool exact = false;     ///< the query is zero: every score is the row's bias
  std::vector<std::int32_t> quads = {};
  std::vector<std::int32_t> offset = {};  ///< a group: what takes the excess of the stored codes out of a sum
  std::vector<double> norm = {};          ///< a group: of the query, in units of the scale
  std::vector<double> error_norm = {};    ///< a group: of what the codes miss, in units of the scale

  /// How much a sum of codes may fall short of the exact sum of a group, in units of both scales: the rows' share of
  /// the error is at most ‖q‖·‖e_x‖, the query's ‖e_q‖·‖x̂‖ (Cauchy and Schwarz), and the chain of dim fused
  /// multiply-adds rounds by at most γ_dim ‖q‖·‖x‖ (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
  [[nodiscard]] double margin(std::size_t group, const CodeTiles::GroupBound& rows, std::size_t dim) const noexcept;
};

/// Encodes a query. Nothing, when no bound can be proven: a value is not finite, or products could overflow.
[[nodiscard]] std::optional<QueryCodes> encode_query(std::span<const float> query, const CodeTiles& codes);

}  // namespace cairn::gpu
