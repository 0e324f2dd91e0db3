#include "streaming/log/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace cairn::streaming {
namespace {

// 0x1EDC6F41 with its bits reversed, because bytes go in with their lowest bit first.
constexpr std::uint32_t kPolynomialReversed = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomialReversed : 0);
    table[i] = crc;
  }
  return table;
}

/// One byte a step: only processors without the instruction come here.
std::uint32_t extend_portable(std::uint32_t crc, std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
/// Compiled for SSE 4.2 whatever the build's target is, and called only where the processor has it.
__attribute__((target("sse4.2"))) std::uint32_t extend_sse42(std::uint32_t crc, std::string_view bytes) {
  std::uint64_t wide = crc;
  std::size_t i = 0;
  for (; i + sizeof(std::uint64_t) <= bytes.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; i < bytes.size(); ++i) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(bytes[i]));
  return narrow;
}

const bool kHasSse42 = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  if (kHasSse42) return ~extend_sse42(~crc, bytes);
#endif
  return ~extend_portable(~crc, bytes);
}

}  // namespace cairn::streaming
