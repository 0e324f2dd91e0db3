#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gpu/cuda/context.h"
#include "gpu/cuda/kernels.h"
#include "gpu/item_matrix.h"

namespace cairn::gpu::cuda {

/// A matrix as it is laid out before it goes to the device.
struct MatrixImage {
  std::vector<float> floats = {};          ///< fp32 storage: rows × dim
  std::vector<std::uint16_t> halves = {};  ///< fp16 storage that is scanned in codes: rows × dim
  std::vector<unsigned char> codes = {};
  std::vector<float> scales = {};
  std::vector<std::uint32_t> norms = {};
  std::vector<float> tile_norms = {};

  [[nodiscard]] std::size_t bytes() const noexcept;
};

/// What `MatrixArgs` says of a matrix, without pointers.
[[nodiscard]] MatrixArgs matrix_shape(std::size_t rows, std::size_t dim, const MatrixOptions& options);

/// Bytes of the image of such a matrix.
[[nodiscard]] std::size_t image_bytes(const MatrixArgs& shape);

/// Lays out `items`, on all processors. Requires: check_items().
[[nodiscard]] MatrixImage make_image(MatrixView items, const MatrixOptions& options);

/// Threads: any number may call any method at once.
class CudaItemMatrix final : public ItemMatrix {
 public:
  /// Returns: as Backend::make_matrix.
  [[nodiscard]] static Result<std::unique_ptr<ItemMatrix>> make(std::shared_ptr<Context> context, MatrixView items,
                                                                const MatrixOptions& options);
  ~CudaItemMatrix() override;
  CudaItemMatrix(const CudaItemMatrix&) = delete;
  CudaItemMatrix& operator=(const CudaItemMatrix&) = delete;

  [[nodiscard]] std::size_t rows() const noexcept override { return args_.rows; }
  [[nodiscard]] std::size_t dim() const noexcept override { return args_.layout.dim; }
  [[nodiscard]] Precision storage() const noexcept override { return storage_; }
  [[nodiscard]] Precision scan() const noexcept override { return scan_; }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return reservation_.bytes(); }
  [[nodiscard]] Status decode(std::size_t first, std::span<float> out) const override;
  [[nodiscard]] Status top_k(const TopKBatch& batch, TopKAnswers* answers) const override;

  [[nodiscard]] Context& context() const noexcept { return *context_; }
  [[nodiscard]] const MatrixArgs& args() const noexcept { return args_; }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  CudaItemMatrix(std::shared_ptr<Context> context, MatrixArgs args, const MatrixOptions& options,
                 Reservation reservation);
  [[nodiscard]] Status store(const MatrixImage& image);
  [[nodiscard]] Status decode_tiles(std::size_t first, std::span<float> out) const;

  // Fixed after construction. The context outlives what was allocated with it.
  std::shared_ptr<Context> context_;
  std::uint64_t id_;
  Precision storage_;
  Precision scan_;
  Reservation reservation_;
  MatrixArgs args_;
  DeviceArray<float> floats_;
  DeviceArray<std::uint16_t> halves_;
  DeviceArray<unsigned char> codes_;
  DeviceArray<float> scales_;
  DeviceArray<std::uint32_t> norms_;
  DeviceArray<float> tile_norms_;
};

}  // namespace cairn::gpu::cuda
