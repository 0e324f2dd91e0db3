#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gpu/cuda/context.h"
#include "gpu/cuda/device.h"
#include "gpu/cuda/fused_scan_kernels.h"
#include "gpu/scan.h"
#include "gpu/scan_code_error.h"

namespace cairn::gpu::cuda {

class CudaScanColumn final : public ScanColumn {
 public:
  CudaScanColumn(std::shared_ptr<Context> context, std::uint64_t table, Reservation reservation)
      : context_(std::move(context)), table_(table), reservation_(std::move(reservation)) {}
  ~CudaScanColumn() override;

  [[nodiscard]] Status store(std::span<const float> values, std::size_t rows_padded);
  void set(std::span<const std::uint32_t> rows, std::span<const float> values) override;

  [[nodiscard]] const float* values() const noexcept { return values_.data(); }
  /// Which table it is of.
  [[nodiscard]] std::uint64_t table() const noexcept { return table_; }
  /// What went wrong when it was set. A column that the device could not set must not be read.
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
  [[nodiscard]] Status scatter(std::span<const std::uint32_t> rows, std::span<const float> values);

  std::shared_ptr<Context> context_;
  std::uint64_t table_;
  Reservation reservation_;
  DeviceArray<float> values_;
  Status status_;
};

/// The rows in tiles of 32, the codes of their vectors in the fragments of layout.h.
class CudaScanTable final : public ScanTable {
 public:
  /// Returns: as Backend::make_scan_table.
  [[nodiscard]] static Result<std::unique_ptr<ScanTable>> make(std::shared_ptr<Context> context, const ScanRows& rows);
  ~CudaScanTable() override;

  [[nodiscard]] std::size_t rows() const noexcept override { return shape_.rows; }
  [[nodiscard]] std::size_t dim() const noexcept override { return shape_.dim; }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return reservation_.bytes(); }
  [[nodiscard]] Result<std::unique_ptr<ScanColumn>> make_column(std::span<const float> values) const override;
  [[nodiscard]] float vector_error(std::span<const float> vector) const override;
  [[nodiscard]] Status scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const override;

  [[nodiscard]] Context& context() const noexcept { return *context_; }
  [[nodiscard]] const ScanTableArgs& args() const noexcept { return args_; }

 private:
  CudaScanTable(std::shared_ptr<Context> context, const ScanRows& rows, Reservation reservation);
  [[nodiscard]] Status store(const ScanRows& rows);
  [[nodiscard]] Status store_codes(const ScanRows& rows);
  [[nodiscard]] Status store_values(const ScanRows& rows);
  [[nodiscard]] Status check(const ScanQuery& query) const;
  [[nodiscard]] Status check_column(const char* name, const ScanColumn* column) const;

  // Fixed after construction. The context outlives what was allocated with it.
  std::shared_ptr<Context> context_;
  std::uint64_t id_;
  ScanShape shape_;
  Reservation reservation_;
  ScanTableArgs args_;
  DeviceArray<std::int32_t> positions_;  // x, y and z of all rows
  DeviceArray<std::uint32_t> tags_;
  DeviceArray<unsigned char> codes_;
  DeviceArray<float> scales_;
  DeviceArray<float> values_;
  ScanCodeError code_error_;
};

/// Answers queries that have been checked.
/// Returns: RESOURCE_EXHAUSTED when the device has no memory for what a scan needs beside the table.
[[nodiscard]] Status answer_scan(const CudaScanTable& table, std::span<const ScanQuery> queries,
                                 std::vector<ScanAnswer>* answers);

}  // namespace cairn::gpu::cuda
