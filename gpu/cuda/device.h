#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"

// What the backend needs of a device, without CUDA's headers: device.cc has it from the CUDA runtime, and emulator.cc
// from ordinary memory, so that everything above this line is tested where there is no device.

namespace cairn::gpu::cuda {

/// What a device is, as far as kernels are laid out by it.
struct DeviceTraits {
  std::string name;  ///< "cuda/sm_90"
  std::uint32_t multiprocessors = 1;
  std::size_t shared_bytes_max = 48 << 10;  ///< that one block may ask for
};

/// Returns: UNAVAILABLE when there is no driver, no such device, or a device that this build has no code for.
[[nodiscard]] Result<DeviceTraits> probe_device(int device);

/// Makes `device` the one that the calling thread's next calls are for.
[[nodiscard]] Status use_device(int device);

/// Bytes on the device, or page-locked bytes of the host. `bytes` above 0.
/// Returns: RESOURCE_EXHAUSTED when there are not so many.
[[nodiscard]] Result<void*> allocate_device(std::size_t bytes);
[[nodiscard]] Result<void*> allocate_pinned(std::size_t bytes);
void free_device(void* memory) noexcept;
void free_pinned(void* memory) noexcept;

/// Copies while the caller waits.
[[nodiscard]] Status copy_to_device(void* device, const void* host, std::size_t bytes);
[[nodiscard]] Status copy_from_device(void* host, const void* device, std::size_t bytes);

/// An array that grows and never shrinks; growing loses what it held. T is trivially copyable.
template <class T, Result<void*> (*kAllocate)(std::size_t), void (*kFree)(void*) noexcept>
class Array {
 public:
  Array() = default;
  Array(Array&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Array& operator=(Array&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Array() { release(); }

  /// Returns: RESOURCE_EXHAUSTED, and then holds nothing.
  [[nodiscard]] Status reserve(std::size_t size) {
    if (size <= size_) return ok_status();
    release();
    CAIRN_ASSIGN_OR_RETURN(void* memory, kAllocate(size * sizeof(T)));
    data_ = static_cast<T*>(memory);
    size_ = size;
    return ok_status();
  }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(T); }

 private:
  void release() noexcept {
    if (data_ != nullptr) kFree(data_);
    data_ = nullptr;
    size_ = 0;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <class T>
using DeviceArray = Array<T, allocate_device, free_device>;
template <class T>
using PinnedArray = Array<T, allocate_pinned, free_pinned>;

/// A device array with the values of `host`.
template <class T>
[[nodiscard]] Status upload(const std::vector<T>& host, DeviceArray<T>* device) {
  if (host.empty()) return ok_status();
  CAIRN_RETURN_IF_ERROR(device->reserve(host.size()));
  return copy_to_device(device->data(), host.data(), host.size() * sizeof(T));
}

/// Work that a stream recorded and can be given again: the same kernels and copies with the same arguments.
class Graph {
 public:
  explicit Graph(void* executable) noexcept : executable_(executable) {}
  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  ~Graph();

  [[nodiscard]] void* executable() const noexcept { return executable_; }

 private:
  void* executable_;
};

/// Kernels and copies that the device does one after another, in the order they were given. The first error of any is
/// kept and returned by wait(). Threads: one at a time.
class Stream {
 public:
  [[nodiscard]] static Result<Stream> make();
  Stream(Stream&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), status_(std::move(other.status_)), busy_(other.busy_) {}
  Stream& operator=(Stream&&) = delete;
  ~Stream();

  void copy_to_device(void* device, const void* host, std::size_t bytes);
  void copy_from_device(void* host, const void* device, std::size_t bytes);
  void zero(void* device, std::size_t bytes);
  /// After a launch: notes whether it could be launched.
  void check_launch();

  /// From here to end_capture(), work is recorded instead of done. Null where there are no graphs.
  void begin_capture();
  [[nodiscard]] Result<Graph> end_capture();
  void replay(const Graph& graph);

  /// Waits until all is done. Returns what went wrong since the last wait: INTERNAL, or UNAVAILABLE when the device is
  /// lost.
  [[nodiscard]] Status wait();
  /// Whether something was given that has not been waited for.
  [[nodiscard]] bool busy() const noexcept { return busy_; }

  [[nodiscard]] void* handle() const noexcept { return handle_; }

 private:
  explicit Stream(void* handle) noexcept : handle_(handle) {}

  void note(Status status);

  void* handle_;
  Status status_;
  bool busy_ = false;
};

/// Whether streams can record.
[[nodiscard]] bool has_graphs() noexcept;

}  // namespace cairn::gpu::cuda
