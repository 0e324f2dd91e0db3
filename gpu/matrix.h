#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::gpu {

/// A dense row-major matrix that somebody else owns: value (r, c) is `values[r * dim + c]`.
struct MatrixView {
  std::span<const float> values = {};  ///< rows × dim
  std::size_t rows = 0;
  std::size_t dim = 0;

  [[nodiscard]] std::span<const float> row(std::size_t r) const noexcept { return values.subspan(r * dim, dim); }
};

/// A sparse matrix in compressed rows (CSR) that somebody else owns: row r holds the entries [offsets[r],
/// offsets[r + 1]) of `columns` and `values`.
struct SparseView {
  std::span<const std::uint64_t> offsets = {};  ///< rows + 1, ascending, the first 0
  std::span<const std::uint32_t> columns = {};  ///< each below `width`; ascending within a row, none twice
  std::span<const float> values = {};           ///< as many as columns, or empty: all 1
  std::size_t width = 0;                        ///< number of columns of the matrix

  [[nodiscard]] std::size_t rows() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
  [[nodiscard]] std::span<const std::uint32_t> columns_of(std::size_t r) const noexcept {
    return columns.subspan(offsets[r], offsets[r + 1] - offsets[r]);
  }
  [[nodiscard]] float value(std::size_t entry) const noexcept { return values.empty() ? 1.0F : values[entry]; }
};

}  // namespace cairn::gpu
