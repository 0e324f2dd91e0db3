#pragma once

#include <cstddef>
#include <memory>

namespace cairn::gpu {

/// Bytes of fixed size, aligned for any kernel and, where they are many, advised to stand on large pages. Zero at first.
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
