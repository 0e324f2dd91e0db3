#include "gpu/cpu/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace cairn::gpu {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const std::size_t alignment = bytes >= 2 * kLargePage ? kLargePage : kCacheLine;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  memory_.reset(std::aligned_alloc(alignment, rounded));
  if (memory_ == nullptr) throw std::bad_alloc();
  if (alignment == kLargePage) ::madvise(memory_.get(), rounded, MADV_HUGEPAGE);
  std::memset(memory_.get(), 0, rounded);
}

void Buffer::Free::operator()(void* memory) const noexcept { std::free(memory); }

}  // namespace cairn::gpu
