#include "engine/compute.h"

#include <utility>

namespace cairn {

namespace {

/// Questions are scanned by the thread that asks them: threads are for questions that come at the same time.
Result<std::unique_ptr<gpu::Backend>> processors() { return gpu::make_cpu_backend({.threads = 1}); }

Result<Compute> on_processors(std::string reason) {
  Compute compute;
  CAIRN_ASSIGN_OR_RETURN(compute.backend, processors());
  compute.name = compute.backend->name();
  compute.reason = std::move(reason);
  return compute;
}

}  // namespace

BatchingOptions Compute::batching(BatchingOptions options) const {
  constexpr std::size_t kScansOfDevice = 2;
  if (options.at_once == 0 && guarded != nullptr) options.at_once = kScansOfDevice;
  return options;
}

ComputeStatus Compute::status() const {
  ComputeStatus status{.backend = name, .reason = reason};
  if (guarded == nullptr) return status;
  const gpu::GuardStatus guard = guarded->status();
  status.fallback = guarded->fallback().name();
  status.open = guard.open;
  status.scans = guard.scans;
  status.fallbacks = guard.fallbacks;
  status.failures = guard.failures;
  status.trials = guard.trials;
  status.last_failure = guard.last_failure;
  return status;
}

Result<Compute> guard_device(std::unique_ptr<gpu::Backend> device, const ComputeOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto fallback, processors());
  auto guarded = std::make_unique<gpu::GuardedBackend>(
      std::move(device), std::move(fallback), gpu::GuardOptions{.time_max = options.time_max, .retry = options.retry});
  Compute compute;
  compute.guarded = guarded.get();
  compute.name = guarded->name();
  compute.backend = std::move(guarded);
  return compute;
}

Result<Compute> open_compute(const ComputeOptions& options, const Logger& log) {
  if (options.device == ComputeDevice::kCpu) return on_processors("compute.device is \"cpu\"");
  auto device = gpu::open_cuda_backend(
      {.library = options.cuda_library,
       .device = options.cuda_device,
       .memory_max_bytes = options.cuda_memory_bytes == 0 ? gpu::kNoLimit : options.cuda_memory_bytes});
  if (device.ok()) {
    CAIRN_ASSIGN_OR_RETURN(Compute compute, guard_device(*std::move(device), options));
    compute.reason = options.device == ComputeDevice::kCuda ? "compute.device is \"cuda\"" : "there is a CUDA device";
    return compute;
  }
  if (options.device == ComputeDevice::kCuda) {
    return Status(device.status()).with_context("compute.device is \"cuda\" (set \"auto\" to do without a device)");
  }
  // A machine without a device is the usual case. One whose device cannot be used is worth a word.
  if (device.status().code() == StatusCode::kFailedPrecondition || !options.cuda_library.empty()) {
    log.warning("compute.no_device", device.status().message(), {{"effect", "the processors scan"}});
  }
  return on_processors("no CUDA device: " + device.status().message());
}

}  // namespace cairn
