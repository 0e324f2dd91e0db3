#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/scan.h"

namespace cairn::gpu {

struct GuardOptions {
  using TimePoint = std::chrono::steady_clock::time_point;

  std::chrono::milliseconds time_max{250};  ///< a scan that the device has not answered by then is answered without it
  std::chrono::milliseconds retry{1'000};   ///< after a failure; twice as long after each trial that fails,
  std::chrono::milliseconds retry_max{30'000};                                       ///< up to this
  std::function<TimePoint()> now = [] { return std::chrono::steady_clock::now(); };  ///< for when to try again
};

/// How the device has behaved.
struct GuardStatus {
  bool open = false;            ///< it failed and is left alone
  std::uint64_t scans = 0;      ///< that it answered
  std::uint64_t fallbacks = 0;  ///< that it should have answered
  std::uint64_t failures = 0;   ///< errors, and times that it took too long
  std::uint64_t trials = 0;     ///< scans that it was given to see whether it works again
  std::string last_failure = {};
};

/// A device whose scans another backend answers when the device does not: an error, too little memory, a scan that
/// takes too long. Answers are the same bits; those that the device should have given say by_fallback.
///
/// The first failure opens the breaker: from there on the device is left alone. After a while one scan is given to it
/// too, for which nobody waits; if it answers, the breaker closes. Matrices and fold-ins are the fallback's.
///
/// The device is called by one thread of its own, one call after the other, so that nobody else hangs when it does. Its
/// columns are brought up to date when a scan is to read them, after a failure from the values that are kept here: 4
/// bytes a row and column.
///
/// Threads: any number may call any method at once. A backend whose device hangs can be destroyed: what hangs is left.
class GuardedBackend final : public Backend {
 public:
  GuardedBackend(std::unique_ptr<Backend> device, std::unique_ptr<Backend> fallback, GuardOptions options = {});
  ~GuardedBackend() override;
  GuardedBackend(const GuardedBackend&) = delete;
  GuardedBackend& operator=(const GuardedBackend&) = delete;

  /// The device's.
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] Result<std::unique_ptr<ItemMatrix>> make_matrix(MatrixView items,
                                                                const MatrixOptions& options) override;
  [[nodiscard]] Result<std::unique_ptr<FoldIn>> make_fold_in(MatrixView items, const FoldInOptions& options) override;
  /// What the device cannot take now, a later trial makes there.
  [[nodiscard]] Result<std::unique_ptr<ScanTable>> make_scan_table(const ScanRows& rows) override;
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return fallback_->resident_bytes(); }
  [[nodiscard]] std::size_t memory_max_bytes() const noexcept override { return fallback_->memory_max_bytes(); }

  [[nodiscard]] GuardStatus status() const;
  [[nodiscard]] const Backend& fallback() const noexcept { return *fallback_; }

 private:
  class Device;
  class Table;
  class Column;
  struct TableSide;
  struct ColumnSide;
  struct Job;

  const std::string name_;
  const std::shared_ptr<Device> device_;
  const std::unique_ptr<Backend> fallback_;
};

}  // namespace cairn::gpu
