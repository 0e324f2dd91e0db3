#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/model/safetensors.h"
#include "gpu/item_matrix.h"

namespace cairn::model {

// How dense vectors are kept in a file (format.md, "Vectors").

/// Columns of an int4 row that share a scale.
inline constexpr std::size_t kInt4Group = 32;

/// A matrix in one of the precisions, in the form of the tensors that it is written as. It owns the numbers that the
/// tensors view.
class StoredVectors {
 public:
  /// `values` is rows × dim, borrowed for the object's life; they must be finite.
  StoredVectors(std::string name, std::span<const float> values, std::size_t rows, std::size_t dim,
                gpu::Precision precision);

  [[nodiscard]] std::vector<TensorView> tensors() const;

 private:
  void make_int8(std::span<const float> values);
  void make_int4(std::span<const float> values);

  const std::string name_;
  const std::span<const float> values_;
  const std::size_t rows_;
  const std::size_t dim_;
  const gpu::Precision precision_;
  std::vector<Half> halves_;
  std::vector<std::int8_t> codes_;
  std::vector<std::uint8_t> nibbles_;
  std::vector<float> scales_;
};

/// Reads a matrix that was written by StoredVectors, or a plain F32 or F16 tensor.
/// Requires: `dim` is what was written; 0 takes the tensor's own for F32, F16 and I8.
/// Returns: INVALID_ARGUMENT naming file and tensor for another shape, type or for values that are not finite.
struct LoadedVectors {
  std::vector<float> values;  ///< rows × dim
  std::size_t dim = 0;
  gpu::Precision precision = gpu::Precision::kFp32;
};
[[nodiscard]] Result<LoadedVectors> load_vectors(const TensorFile& file, const std::string& name, std::size_t rows,
                                                 std::size_t dim);

}  // namespace cairn::model
