#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/top_k.h"

namespace cairn::gpu {

/// The most columns of a matrix, on every backend.
inline constexpr std::size_t kDimMax = 4096;

/// How numbers are kept. int8 has one scale a row, int4 one scale a group of consecutive columns; both are symmetric:
/// value = scale × code, codes within ±127 and ±7.
enum class Precision : std::uint8_t { kFp32, kFp16, kInt8, kInt4 };

[[nodiscard]] std::string_view to_string(Precision precision) noexcept;  ///< "fp32", "fp16", "int8", "int4"
[[nodiscard]] std::optional<Precision> precision_of(std::string_view name) noexcept;

/// Whether values of this precision are codes with scales.
[[nodiscard]] constexpr bool is_code(Precision precision) noexcept {
  return precision == Precision::kInt8 || precision == Precision::kInt4;
}

struct MatrixOptions {
  /// What the values are kept in. Scores are defined over the values as kept.
  Precision storage = Precision::kFp32;
  /// What a query reads of every row: `storage` itself, or, beside fp32 and fp16, int8 or int4 codes, which cost their
  /// own memory and only ever preselect. Absent: int8, where storage is fp32 or fp16.
  std::optional<Precision> scan = {};
  std::size_t int4_group = 32;  ///< columns that share a scale: a multiple of 8
  /// A sample of the queries to come, if there is one: int4 scales are chosen for the least squared error of their
  /// scores, instead of the least squared error of the values.
  MatrixView calibration = {};
};

/// What a matrix with these options is scanned in.
[[nodiscard]] Precision scan_of(const MatrixOptions& options) noexcept;

/// The vectors of all items, where a backend's kernels read them. Immutable.
///
/// The score of row x for query q is defined, bit for bit, on every backend and instruction set:
///
///     float sum = 0;
///     for (std::size_t j = 0; j < dim; ++j) sum = std::fmaf(q[j], x[j], sum);
///     score = bias.empty() ? sum : sum + bias[row];
///
/// Better is: the larger score; of equal scores (-0 equals 0) the lower row. A row whose score is NaN is never
/// answered; infinities are ordinary scores.
///
/// Threads: any number may call any method at once. Outlives nothing: a backend may go before its matrices.
class ItemMatrix {
 public:
  virtual ~ItemMatrix() = default;

  [[nodiscard]] virtual std::size_t rows() const noexcept = 0;
  [[nodiscard]] virtual std::size_t dim() const noexcept = 0;
  [[nodiscard]] virtual Precision storage() const noexcept = 0;
  [[nodiscard]] virtual Precision scan() const noexcept = 0;
  /// Everything that this matrix holds, on the device where it has one.
  [[nodiscard]] virtual std::size_t resident_bytes() const noexcept = 0;

  /// The kept values of the rows [first, first + out.size() / dim), as scores see them.
  /// Requires: out.size() is a multiple of dim, and the rows exist.
  [[nodiscard]] virtual Status decode(std::size_t first, std::span<float> out) const = 0;

  /// The exact k best of each query under its filter. Rows are preselected by codes with a proven bound of the error,
  /// then scored in fp32; a query whose bound cannot be proven (values that are not finite or overflow) has every row
  /// scored in fp32.
  /// Returns: INVALID_ARGUMENT for shapes, k or filters that TopKBatch and RowFilter do not allow.
  [[nodiscard]] virtual Status top_k(const TopKBatch& batch, TopKAnswers* answers) const = 0;

 protected:
  ItemMatrix() = default;
  ItemMatrix(const ItemMatrix&) = default;
  ItemMatrix& operator=(const ItemMatrix&) = default;
};

/// Says what is wrong with items and options for a matrix; every backend asks this first.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_items(const MatrixView& items, const MatrixOptions& options);

/// Says what is wrong with a batch for a matrix of this shape; every backend asks this first.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Status check_batch(const TopKBatch& batch, std::size_t rows, std::size_t dim);

}  // namespace cairn::gpu
