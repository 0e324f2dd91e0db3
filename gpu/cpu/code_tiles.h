#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gpu/cpu/buffer.h"
#include "gpu/cpu/kernels.h"
#include "gpu/quantize.h"

namespace cairn::gpu {

/// Tiles whose bounds are kept together.
inline constexpr std::size_t kSpanTiles = 16;

struct CodeTilesOptions {
  int code_max = kInt8CodeMax;  ///< kInt8CodeMax: one group of all columns; kInt4CodeMax: groups of int4_group
  std::size_t int4_group = 32;
  std::span<const float> importance = {};
  bool codes_are_values = false;  ///< the decoded codes are the values that scores are defined over
  /// The 64 rows of a tile share one scale. Their bounds are then cheaper to test and a little wider. For int8 only,
  /// and not where codes are values.
  bool tile_scales = false;
  std::size_t threads = 0;
};

/// The codes of a matrix in the layout of the kernels, with bounds of their errors. Immutable.
class CodeTiles {
 public:
  /// Bounds the errors of a group of columns: the largest norms among the rows of a span of tiles, each in units of its
  /// row's scale.
  struct GroupBound {
    float code_norm = 0.0F;
    float error_norm = 0.0F;
  };

  /// Reads row r into its argument of dim values, or returns false when it holds something that is not finite: such a
  /// row has no codes. Called from several threads.
  using RowReader = std::function<bool(std::size_t r, std::span<float> values)>;

  CodeTiles(std::size_t rows, std::size_t dim, const CodeTilesOptions& options, const RowReader& read);

  [[nodiscard]] CodeTilesView view() const noexcept;
  [[nodiscard]] std::size_t tiles() const noexcept { return scannable_.size(); }
  [[nodiscard]] std::size_t groups() const noexcept { return groups_; }
  [[nodiscard]] std::size_t quads() const noexcept { return group_quads_.back(); }
  [[nodiscard]] const GroupBound& bound(std::size_t span, std::size_t group) const noexcept {
    return bounds_[span * groups_ + group];
  }
  /// At least the bounds of the group in every span.
  [[nodiscard]] const GroupBound& largest_bound(std::size_t group) const noexcept { return largest_bounds_[group]; }
  /// At least the norm of every row that has codes.
  [[nodiscard]] double largest_norm() const noexcept { return largest_norm_; }
  [[nodiscard]] const std::vector<std::uint32_t>& rows_without_codes() const noexcept { return rows_without_codes_; }
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// What is added to a code when it is stored, so that stored codes have no sign.
  [[nodiscard]] std::int32_t excess() const noexcept { return int4_ ? 8 : 128; }
  /// The columns of a group: [first, last).
  [[nodiscard]] std::size_t group_begin(std::size_t group) const noexcept { return group * group_columns_; }
  [[nodiscard]] std::size_t group_end(std::size_t group) const noexcept;

  /// scale × code of every column of a row that has codes.
  void decode(std::size_t row, std::span<float> values) const;
  /// Codes of a query in the order of the quads: four codes each, 0 where columns are padded.
  void arrange(std::span<const std::int8_t> codes, std::span<std::int32_t> quads) const;

 private:
  struct Workspace;
  void encode_span(std::size_t span, const CodeTilesOptions& options, const RowReader& read, double* largest_norm);
  void encode_row(std::size_t row, const CodeTilesOptions& options, Workspace* work, std::span<GroupBound> bounds);
  void store_codes(std::size_t row, std::size_t group, std::span<const std::int8_t> codes, float scale);
  [[nodiscard]] std::size_t scale_at(std::size_t row, std::size_t group) const noexcept;
  [[nodiscard]] std::size_t code_at(std::size_t row, std::size_t group, std::size_t column, int* shift) const noexcept;

  std::size_t rows_;
  std::size_t dim_;
  bool int4_;
  std::size_t group_columns_;
  std::size_t groups_;
  std::size_t scale_bytes_;
  std::size_t tile_bytes_;
  std::vector<std::uint32_t> group_quads_;
  std::vector<float> tile_scales_;
  std::vector<std::uint64_t> scannable_;
  std::vector<GroupBound> bounds_;  // [span][group]
  std::vector<GroupBound> largest_bounds_;
  Buffer tiles_;
  double largest_norm_ = 0.0;
  std::vector<std::uint32_t> rows_without_codes_;
};

}  // namespace cairn::gpu
