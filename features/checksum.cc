#include "features/checksum.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace cairn::features {
namespace {

constexpr std::uint32_t kReversedPolynomial = 0x82F63B78u;
constexpr std::size_t kSlices = 8;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

// kTables[k][b] is the checksum's change for byte b followed by k zero bytes, so that eight bytes advance with eight
// independent look-ups (Kounavis and Berry, "slicing-by-8", ISCC 2005).
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? kReversedPolynomial : 0u);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFFu];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t load_little_endian(const unsigned char* p) noexcept {
  return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24;
}

std::uint32_t advance_eight(std::uint32_t crc, const unsigned char* p) noexcept {
  // The checksum so far has 32 bits, so it changes the first four bytes only.
  const std::uint32_t low = crc ^ load_little_endian(p);
  const std::uint32_t high = load_little_endian(p + 4);
  return kTables[7][low & 0xFFu] ^ kTables[6][(low >> 8) & 0xFFu] ^ kTables[5][(low >> 16) & 0xFFu] ^
         kTables[4][low >> 24] ^ kTables[3][high & 0xFFu] ^ kTables[2][(high >> 8) & 0xFFu] ^
         kTables[1][(high >> 16) & 0xFFu] ^ kTables[0][high >> 24];
}

#if defined(__x86_64__)
// The processor's own instruction computes this very checksum, eight bytes in three cycles.
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::string_view bytes) noexcept {
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = ~std::uint32_t{0};
  for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t), p += sizeof(std::uint64_t)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, p, sizeof eight);
    crc = _mm_crc32_u64(crc, eight);
  }
  auto last = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++p) last = _mm_crc32_u8(last, static_cast<unsigned char>(*p));
  return ~last;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::string_view bytes) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  std::uint32_t crc = ~0u;
  for (; left >= kSlices; left -= kSlices, p += kSlices) crc = advance_eight(crc, p);
  for (; left > 0; --left, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ *p) & 0xFFu];
  return ~crc;
}

std::uint32_t crc32c(std::string_view bytes) noexcept {
#if defined(__x86_64__)
  // Asking costs a load and a branch: the answer was found when the program started.
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction(bytes);
#endif
  return crc32c_portable(bytes);
}

}  // namespace cairn::features
