#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gpu/cpu/buffer.h"
#include "gpu/cpu/code_tiles.h"
#include "gpu/cpu/scan_kernels.h"
#include "gpu/cpu/tile_bounds.h"
#include "gpu/memory_cap.h"
#include "gpu/scan.h"
#include "gpu/scan_code_error.h"

namespace cairn::gpu {

/// What a CPU table computes with.
struct ScanResources {
  const ScanKernels* kernels = nullptr;
  std::size_t threads = 0;
  std::shared_ptr<MemoryCap> memory;
  std::size_t bounds_from_rows = 0;  ///< see CpuOptions
};

/// Memory that is counted against a cap while it lives.
class ReservedBytes {
 public:
  /// Returns: RESOURCE_EXHAUSTED when that would exceed the cap.
  [[nodiscard]] static Result<ReservedBytes> take(std::shared_ptr<MemoryCap> memory, std::size_t bytes);
  ReservedBytes(ReservedBytes&&) noexcept = default;
  ReservedBytes& operator=(ReservedBytes&&) = delete;
  ~ReservedBytes() {
    if (memory_ != nullptr) memory_->release(bytes_);
  }

 private:
  ReservedBytes(std::shared_ptr<MemoryCap> memory, std::size_t bytes) : memory_(std::move(memory)), bytes_(bytes) {}

  std::shared_ptr<MemoryCap> memory_;
  std::size_t bytes_;
};

class CpuScanColumn final : public ScanColumn {
 public:
  /// With `tiles`, keeps the largest value of each.
  CpuScanColumn(std::span<const float> values, std::size_t rows_padded, std::size_t tiles, std::uint64_t table,
                ReservedBytes reserved);
  void set(std::span<const std::uint32_t> rows, std::span<const float> values) override;

  [[nodiscard]] const float* values() const noexcept { return values_.as<float>(); }
  /// Bounds of all values that there are and were, if all of them were finite.
  [[nodiscard]] bool all_finite() const noexcept { return all_finite_; }
  [[nodiscard]] float least() const noexcept { return least_; }
  [[nodiscard]] float largest() const noexcept { return largest_; }
  /// Of all finite values that there are and were.
  [[nodiscard]] float largest_magnitude() const noexcept { return largest_magnitude_; }
  /// At least the largest value of each tile that is a number; padded_tiles(). Null when they are not kept.
  [[nodiscard]] const float* largest_of_tiles() const noexcept {
    return tiles_.bytes() == 0 ? nullptr : tiles_.as<float>();
  }
  /// Which table it is of.
  [[nodiscard]] std::uint64_t table() const noexcept { return table_; }

 private:
  void widen(std::size_t row, float value) noexcept;

  ReservedBytes reserved_;
  std::uint64_t table_;
  Buffer values_;
  Buffer tiles_;
  bool all_finite_ = true;
  float least_ = std::numeric_limits<float>::infinity();
  float largest_ = -std::numeric_limits<float>::infinity();
  float largest_magnitude_ = 0.0F;
};

/// Arrays of rows are padded to whole tiles, so that kernels have no rest to treat; padding never passes.
class CpuScanTable final : public ScanTable {
 public:
  /// Returns: as Backend::make_scan_table.
  [[nodiscard]] static Result<std::unique_ptr<ScanTable>> make(const ScanRows& rows, ScanResources resources);

  [[nodiscard]] std::size_t rows() const noexcept override { return shape_.rows; }
  [[nodiscard]] std::size_t dim() const noexcept override { return shape_.dim; }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override;
  [[nodiscard]] Result<std::unique_ptr<ScanColumn>> make_column(std::span<const float> values) const override;
  [[nodiscard]] float vector_error(std::span<const float> vector) const override;
  [[nodiscard]] Status scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const override;

  [[nodiscard]] const ScanResources& resources() const noexcept { return resources_; }
  [[nodiscard]] std::size_t tiles() const noexcept { return (shape_.rows + kScanTileRows - 1) / kScanTileRows; }
  [[nodiscard]] const std::int32_t* x() const noexcept { return positions_.as<std::int32_t>(); }
  [[nodiscard]] const std::int32_t* y() const noexcept { return x() + tiles() * kScanTileRows; }
  [[nodiscard]] const std::int32_t* z() const noexcept { return y() + tiles() * kScanTileRows; }
  [[nodiscard]] const std::uint32_t* tags() const noexcept { return tags_.as<std::uint32_t>(); }
  /// Empty for a table of fewer rows than are bounded.
  [[nodiscard]] const TileShapes& shapes() const noexcept { return shapes_; }
  /// The codes of the vectors, or null when they are kept in fp32 or there are none.
  [[nodiscard]] const CodeTiles* codes() const noexcept { return codes_ ? &*codes_ : nullptr; }
  [[nodiscard]] const std::uint8_t* vector_tiles() const noexcept {
    return codes_ ? codes_->view().tiles : vectors_.as<std::uint8_t>();
  }
  [[nodiscard]] std::size_t vector_tile_bytes() const noexcept {
    return codes_ ? codes_->view().tile_bytes : shape_.dim * kScanTileRows * sizeof(float);
  }

 private:
  CpuScanTable(const ScanRows& rows, ScanResources resources, ReservedBytes reserved);
  void store_vectors(const ScanRows& rows);
  void make_codes(const ScanRows& rows);
  [[nodiscard]] Status check(const ScanQuery& query) const;
  [[nodiscard]] Status check_column(const char* name, const ScanColumn* column) const;

  // Fixed after construction.
  ScanShape shape_;
  ScanResources resources_;
  ReservedBytes reserved_;
  std::uint64_t id_;
  Buffer positions_;  // x, y and z of all rows
  Buffer tags_;
  TileShapes shapes_;
  Buffer vectors_;  // fp32: see DotsCall
  std::optional<CodeTiles> codes_;
  ScanCodeError code_error_;
};

/// Answers queries that have been checked.
[[nodiscard]] std::vector<ScanAnswer> answer_scan(const CpuScanTable& table, std::span<const ScanQuery> queries);

}  // namespace cairn::gpu
