#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "gpu/backend.h"

namespace cairn::test {

/// What a ToldDevice does, and what it was asked. Shared by the test and all that the device made. Threads: any.
class DeviceScript {
 public:
  enum class Act : std::uint8_t {
    kAnswer,  ///< as the processors would
    kFail,    ///< with `status`
    kHang,    ///< until something else is told; then the scan is answered
  };

  void tell(Act act, Status status = ok_status()) CAIRN_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      act_ = act;
      status_ = std::move(status);
    }
    changed_.notify_all();
  }

  /// Returns: what the scan is to return; OK: its answer.
  [[nodiscard]] Status begin_scan(std::span<const gpu::ScanQuery> queries) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::vector<gpu::FixedPoint>& asked = scans_.emplace_back();
    for (const gpu::ScanQuery& query : queries) asked.push_back(query.position);
    const std::size_t number = scans_.size();
    ++hanging_;
    changed_.notify_all();
    while (act_ == Act::kHang && number > let_go_) changed_.wait(mutex_);
    --hanging_;
    for (const gpu::ScanQuery& query : queries) {
      if (refused_ && query.position == *refused_) return invalid_argument("a query that was told to be refused");
    }
    return act_ == Act::kFail ? status_ : ok_status();
  }
  /// Queries at this position are refused from here on.
  void refuse(gpu::FixedPoint position) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    refused_ = position;
  }
  [[nodiscard]] Status make() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return act_ == Act::kFail ? status_ : ok_status();
  }
  void set_column() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (act_ == Act::kHang) changed_.wait(mutex_);
  }

  /// The scans that hang now go on; those that come later hang on.
  void let_go() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    let_go_ = scans_.size();
    changed_.notify_all();
  }

  /// Waits until so many scans hang at the same time.
  void await_hanging(std::size_t count) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (hanging_ < count) changed_.wait(mutex_);
  }
  /// Where each scan's queries were, scans in the order in which they came.
  [[nodiscard]] std::vector<std::vector<gpu::FixedPoint>> scans() const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return scans_;
  }
  /// How many queries each scan had.
  [[nodiscard]] std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> sizes;
    for (const auto& scan : scans()) sizes.push_back(scan.size());
    return sizes;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  Act act_ CAIRN_GUARDED_BY(mutex_) = Act::kAnswer;
  Status status_ CAIRN_GUARDED_BY(mutex_);
  std::optional<gpu::FixedPoint> refused_ CAIRN_GUARDED_BY(mutex_);
  std::size_t hanging_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::size_t let_go_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::vector<std::vector<gpu::FixedPoint>> scans_ CAIRN_GUARDED_BY(mutex_);
};

/// A backend that answers as the processors do, fails, or hangs, as it is told: what no real device can be told.
class ToldDevice final : public gpu::Backend {
 public:
  explicit ToldDevice(std::shared_ptr<DeviceScript> script)
      : script_(std::move(script)), cpu_(gpu::make_cpu_backend({.threads = 1}).value()) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "told"; }
  [[nodiscard]] Result<std::unique_ptr<gpu::ItemMatrix>> make_matrix(gpu::MatrixView items,
                                                                     const gpu::MatrixOptions& options) override {
    return cpu_->make_matrix(items, options);
  }
  [[nodiscard]] Result<std::unique_ptr<gpu::FoldIn>> make_fold_in(gpu::MatrixView items,
                                                                  const gpu::FoldInOptions& options) override {
    return cpu_->make_fold_in(items, options);
  }
  [[nodiscard]] Result<std::unique_ptr<gpu::ScanTable>> make_scan_table(const gpu::ScanRows& rows) override {
    CAIRN_RETURN_IF_ERROR(script_->make());
    CAIRN_ASSIGN_OR_RETURN(auto table, cpu_->make_scan_table(rows));
    return std::unique_ptr<gpu::ScanTable>(new Table(script_, std::move(table)));
  }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return cpu_->resident_bytes(); }
  [[nodiscard]] std::size_t memory_max_bytes() const noexcept override { return cpu_->memory_max_bytes(); }

 private:
  class Column final : public gpu::ScanColumn {
   public:
    Column(std::shared_ptr<DeviceScript> script, std::unique_ptr<gpu::ScanColumn> of)
        : script_(std::move(script)), of_(std::move(of)) {}
    void set(std::span<const std::uint32_t> rows, std::span<const float> values) override {
      script_->set_column();
      of_->set(rows, values);
    }
    [[nodiscard]] const gpu::ScanColumn* of() const noexcept { return of_.get(); }

   private:
    const std::shared_ptr<DeviceScript> script_;
    const std::unique_ptr<gpu::ScanColumn> of_;
  };

  class Table final : public gpu::ScanTable {
   public:
    Table(std::shared_ptr<DeviceScript> script, std::unique_ptr<gpu::ScanTable> of)
        : script_(std::move(script)), of_(std::move(of)) {}
    [[nodiscard]] std::size_t rows() const noexcept override { return of_->rows(); }
    [[nodiscard]] std::size_t dim() const noexcept override { return of_->dim(); }
    [[nodiscard]] std::size_t resident_bytes() const noexcept override { return of_->resident_bytes(); }
    [[nodiscard]] Result<std::unique_ptr<gpu::ScanColumn>> make_column(std::span<const float> values) const override {
      CAIRN_RETURN_IF_ERROR(script_->make());
      CAIRN_ASSIGN_OR_RETURN(auto column, of_->make_column(values));
      return std::unique_ptr<gpu::ScanColumn>(new Column(script_, std::move(column)));
    }
    [[nodiscard]] float vector_error(std::span<const float> vector) const override { return of_->vector_error(vector); }
    [[nodiscard]] Status scan(std::span<const gpu::ScanQuery> queries,
                              std::vector<gpu::ScanAnswer>* answers) const override {
      CAIRN_RETURN_IF_ERROR(script_->begin_scan(queries));
      std::vector<gpu::ScanQuery> ours(queries.begin(), queries.end());
      for (gpu::ScanQuery& query : ours) {
        query.prior = inner(query.prior);
        query.logs = inner(query.logs);
      }
      return of_->scan(ours, answers);
    }

   private:
    static const gpu::ScanColumn* inner(const gpu::ScanColumn* column) {
      return column == nullptr ? nullptr : dynamic_cast<const Column&>(*column).of();
    }
    const std::shared_ptr<DeviceScript> script_;
    const std::unique_ptr<gpu::ScanTable> of_;
  };

  const std::shared_ptr<DeviceScript> script_;
  const std::unique_ptr<gpu::Backend> cpu_;
};

}  // namespace cairn::test
