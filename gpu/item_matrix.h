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
  /// What a query reads of every row. It is either `storage` itself or, where storage is fp32 or fp16, int8 or int4
  /// codes that are kept beside the values. Such codes cost memory of their own and only preselect rows; answers are
  /// scored from the values. Absent: int8 codes where storage is fp32 or fp16, else `storage`.
  std::optional<Precision> scan = {};
  std::size_t int4_group = 32;  ///< columns that share a scale: a multiple of 8
  /// A sample of the queries to come, if there is one. With it int4 scales minimise the squared error of these queries'
  /// scores; without it, the squared error of the values.
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
/// A row is better than another if its score is larger or, at equal scores (-0 equals 0), if its number is lower. A row
/// whose score is NaN is never answered; infinities are ordinary scores.
///
/// Threads: any number may call any method at once. Lifetime: the backend that made a matrix may be destroyed before
/// it.
class ItemMatrix {
 public:
  virtual ~ItemMatrix() = default;

  [[nodiscard]] virtual std::size_t rows() const noexcept = 0;
  [[nodiscard]] virtual std::size_t dim() const noexcept = 0;
  [[nodiscard]] virtual Precision storage() const noexcept = 0;
  [[nodiscard]] virtual Precision scan() const noexcept = 0;
  /// Bytes of everything that this matrix holds, wherever its backend keeps it.
  [[nodiscard]] virtual std::size_t resident_bytes() const noexcept = 0;

  /// The kept values of the rows [first, first + out.size() / dim), as scores see them.
  /// Requires: out.size() is a multiple of dim, and the rows exist.
  [[nodiscard]] virtual Status decode(std::size_t first, std::span<float> out) const = 0;

  /// The exact k best rows of each query under its filter. Codes preselect rows by a proven bound of their error; what
  /// is left is scored in fp32. For a query without a provable bound (values that are not finite, or that overflow)
  /// every row is scored in fp32. Returns: INVALID_ARGUMENT for shapes, k or filters that TopKBatch and RowFilter do
  /// not allow.
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
