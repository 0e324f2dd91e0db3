#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cairn/mutex.h"
#include "gpu/cuda/device.h"
#include "gpu/cuda/workspace.h"
#include "gpu/memory_cap.h"

namespace cairn::gpu::cuda {

/// One device. A backend and everything made with it share a context, and any of them may be destroyed first.
/// Threads: any.
class Context {
 public:
  /// Returns: as probe_device().
  [[nodiscard]] static Result<std::shared_ptr<Context>> open(int device, std::size_t memory_max_bytes);

  [[nodiscard]] const DeviceTraits& traits() const noexcept { return traits_; }
  [[nodiscard]] MemoryCap& memory() noexcept { return memory_; }
  /// Makes the device the one that the calling thread's next calls are for.
  [[nodiscard]] Status use() const { return use_device(device_); }

  /// A workspace that nobody else uses until it is given back. A new one is made when no other is idle.
  [[nodiscard]] Result<std::unique_ptr<Workspace>> take_workspace() CAIRN_EXCLUDES(mutex_);
  void give_back(std::unique_ptr<Workspace> workspace) CAIRN_EXCLUDES(mutex_);

  /// A number for something that graphs are recorded with; no two are the same.
  [[nodiscard]] std::uint64_t next_id() noexcept { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  Context(int device, DeviceTraits traits, std::size_t memory_max_bytes)
      : device_(device), traits_(std::move(traits)), memory_(memory_max_bytes) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  // Fixed after construction.
  int device_;
  DeviceTraits traits_;

  MemoryCap memory_;
  std::atomic<std::uint64_t> next_id_{1};

  Mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_ CAIRN_GUARDED_BY(mutex_);
};

/// A part of the cap, for as long as something lives.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept
      : context_(std::move(other.context_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Reservation() {
    if (context_ != nullptr) context_->memory().release(bytes_);
  }

  /// Returns: RESOURCE_EXHAUSTED.
  [[nodiscard]] static Result<Reservation> make(std::shared_ptr<Context> context, std::size_t bytes);
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::shared_ptr<Context> context_;
  std::size_t bytes_ = 0;
};

/// A workspace for the length of a call.
class WorkspaceLease {
 public:
  [[nodiscard]] static Result<WorkspaceLease> take(Context& context);
  WorkspaceLease(WorkspaceLease&&) = default;
  WorkspaceLease& operator=(WorkspaceLease&&) = delete;
  ~WorkspaceLease() {
    if (workspace_ != nullptr) context_->give_back(std::move(workspace_));
  }

  [[nodiscard]] Workspace& operator*() const noexcept { return *workspace_; }
  [[nodiscard]] Workspace* operator->() const noexcept { return workspace_.get(); }

 private:
  WorkspaceLease(Context* context, std::unique_ptr<Workspace> workspace)
      : context_(context), workspace_(std::move(workspace)) {}

  Context* context_;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace cairn::gpu::cuda
