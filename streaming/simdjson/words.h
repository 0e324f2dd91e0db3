#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

// Eight bytes of text as one number, the first byte lowest.

namespace cairn::streaming {

/// Requires: 8 readable bytes at `at`.
inline std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// The lowest `bytes` bytes of a word, and zeros. Requires: bytes <= 8.
constexpr std::uint64_t low_bytes(std::uint64_t word, std::size_t bytes) noexcept {
  return bytes >= sizeof word ? word : word & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

/// The word of `name` and zeros after it. Requires: 8 bytes at most.
constexpr std::uint64_t word_of(std::string_view name) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = name.size(); i > 0; --i) word = word << 8 | static_cast<unsigned char>(name[i - 1]);
  return word;
}

}  // namespace cairn::streaming
