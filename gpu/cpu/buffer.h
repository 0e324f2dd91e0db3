#pragma once

#include <cstddef>
#include <memory>

namespace cairn::gpu {

/// A fixed number of bytes, aligned for any kernel. They are zero at first. For large buffers the system is advised to
/// use huge pages.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  template <class T>
  [[nodiscard]] T* as() noexcept {
    return static_cast<T*>(memory_.get());
  }
  template <class T>
  [[nodiscard]] const T* as() const noexcept {
    return static_cast<const T*>(memory_.get());
  }

 private:
  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace cairn::gpu
