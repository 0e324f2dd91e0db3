#pragma once

#include <memory>
#include <string>

#include "cairn/engine_status.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/guarded_backend.h"

namespace cairn {

/// What an engine scans with: chosen once, when it opens.
struct Compute {
  std::unique_ptr<gpu::Backend> backend;
  const gpu::GuardedBackend* guarded = nullptr;  ///< the same, when it is a device with the processors behind it
  std::string name;
  std::string reason;  ///< why this one

  /// A device takes one scan after the other: of two, one is prepared, or answered, while the other is computed. The
  /// processors take one each.
  [[nodiscard]] BatchingOptions batching(BatchingOptions options) const;
  /// Requires: whoever took the backend still has it.
  [[nodiscard]] ComputeStatus status() const;
};

/// Returns: what gpu::open_cuda_backend() returns, with what to do, when a device is asked for by name.
[[nodiscard]] Result<Compute> open_compute(const ComputeOptions& options, const Logger& log);

/// `device` with the processors behind it.
[[nodiscard]] Result<Compute> guard_device(std::unique_ptr<gpu::Backend> device, const ComputeOptions& options);

}  // namespace cairn
