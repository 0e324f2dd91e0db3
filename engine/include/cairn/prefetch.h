#pragma once

namespace cairn {

/// Asks for the cache line at `address`, which will be read before long. Any address will do.
///
/// GCC (12.2) removes every call of a function that does nothing but __builtin_prefetch(), as one without an effect;
/// the empty statement is one that it has to keep. Always inlined: files with instruction sets of their own use it too.
[[gnu::always_inline]] inline void prefetch(const void* address) noexcept {
  __builtin_prefetch(address);
  asm volatile("");
}

/// The same of a line that will be written to.
[[gnu::always_inline]] inline void prefetch_to_write(const void* address) noexcept {
  __builtin_prefetch(address, 1);
  asm volatile("");
}

}  // namespace cairn
