#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace cairn::gpu {

/// Allocates at multiples of a cache line, so that no vector load of a kernel straddles two.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  AlignedAllocator() noexcept = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>& /*other*/) noexcept {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* values, std::size_t /*count*/) noexcept { ::operator delete(values, kAlignment); }

  friend bool operator==(const AlignedAllocator& /*a*/, const AlignedAllocator& /*b*/) noexcept { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace cairn::gpu
