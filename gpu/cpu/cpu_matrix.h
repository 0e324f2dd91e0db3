#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gpu/backend.h"
#include "gpu/cpu/buffer.h"
#include "gpu/cpu/code_tiles.h"
#include "gpu/cpu/kernels.h"
#include "gpu/item_matrix.h"
#include "gpu/memory_cap.h"

namespace cairn::gpu {

/// What a CPU matrix computes with.
struct CpuResources {
  const TopKKernels* kernels = nullptr;
  std::size_t threads = 0;
  std::shared_ptr<MemoryCap> memory;
};

class CpuMatrix final : public ItemMatrix {
 public:
  /// Returns: as Backend::make_matrix.
  [[nodiscard]] static Result<std::unique_ptr<ItemMatrix>> make(MatrixView items, const MatrixOptions& options,
                                                                CpuResources resources);
  CpuMatrix(const CpuMatrix&) = delete;
  CpuMatrix& operator=(const CpuMatrix&) = delete;
  ~CpuMatrix() override { resources_.memory->release(reserved_bytes_); }

  [[nodiscard]] std::size_t rows() const noexcept override { return rows_; }
  [[nodiscard]] std::size_t dim() const noexcept override { return dim_; }
  [[nodiscard]] Precision storage() const noexcept override { return storage_; }
  [[nodiscard]] Precision scan() const noexcept override { return scan_; }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override {
    return values_.bytes() + (codes_ ? codes_->bytes() : 0);
  }
  [[nodiscard]] Status decode(std::size_t first, std::span<float> out) const override;
  [[nodiscard]] Status top_k(const TopKBatch& batch, TopKAnswers* answers) const override;

  /// The values of a row: where they stand, or read into `scratch` of dim values.
  [[nodiscard]] const float* row(std::size_t r, float* scratch) const;
  /// Whether `row` reads into its scratch.
  [[nodiscard]] bool rows_are_decoded() const noexcept { return storage_ != Precision::kFp32; }
  /// The codes that preselect, or null when every row is scored.
  [[nodiscard]] const CodeTiles* scan_codes() const noexcept { return scans_codes_ ? &*codes_ : nullptr; }
  [[nodiscard]] const CpuResources& resources() const noexcept { return resources_; }

 private:
  CpuMatrix(MatrixView items, const MatrixOptions& options, CpuResources resources);
  void store_halves(MatrixView items);
  void make_codes(const MatrixOptions& options, const CodeTiles::RowReader& read);

  // Fixed after construction.
  std::size_t rows_;
  std::size_t dim_;
  Precision storage_;
  Precision scan_;
  bool scans_codes_;
  CpuResources resources_;
  std::size_t reserved_bytes_ = 0;
  Buffer values_;  // floats or halves, rows × dim; empty where the codes are the values
  std::optional<CodeTiles> codes_;
};

}  // namespace cairn::gpu
