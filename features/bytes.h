#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "features/checksum.h"

namespace cairn::features {

// The primitives of format.md. Integers are LEB128 varints in their shortest form; signed ones are zigzag-mapped
// first; doubles are their eight bytes, little-endian.

[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t v) noexcept {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t v) noexcept {
  return static_cast<std::int64_t>((v >> 1) ^ (~(v & 1) + 1));
}

inline void put_byte(std::uint8_t v, std::string* out) { out->push_back(static_cast<char>(v)); }

inline void put_varint(std::uint64_t v, std::string* out) {
  char buffer[10];
  std::size_t n = 0;
  for (; v >= 0x80; v >>= 7) buffer[n++] = static_cast<char>(v | 0x80);
  buffer[n++] = static_cast<char>(v);
  out->append(buffer, n);
}

inline void put_signed(std::int64_t v, std::string* out) { put_varint(zigzag(v), out); }

template <class Unsigned>
void put_fixed(Unsigned v, std::string* out) {
  char buffer[sizeof(Unsigned)];
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) buffer[i] = static_cast<char>((v >> (8 * i)) & 0xFFu);
  out->append(buffer, sizeof(Unsigned));
}

inline void put_double(double v, std::string* out) { put_fixed(std::bit_cast<std::uint64_t>(v), out); }

/// Appends the CRC-32C of all of `*out`.
inline void put_trailer(std::string* out) { put_fixed(crc32c(*out), out); }

/// Reads the primitives back from bytes that may hold anything. The first read that the bytes cannot satisfy makes the
/// reader fail for good: reads after it return zero, so that a caller may check once after several.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }
  /// Whether everything was read and nothing failed.
  [[nodiscard]] bool finished() const noexcept { return ok_ && left() == 0; }

  std::uint8_t byte() noexcept { return take(1) ? static_cast<std::uint8_t>(bytes_[at_ - 1]) : std::uint8_t{0}; }

  /// Fails for a varint that is cut off, exceeds 64 bits or is not the shortest one for its value.
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = byte();
      value |= static_cast<std::uint64_t>(b & 0x7Fu) << shift;
      if ((b & 0x80u) == 0) return shift == 0 || (b != 0 && (shift < 63 || b == 1)) ? value : fail();
    }
    return fail();
  }

  std::int64_t signed_varint() noexcept { return unzigzag(varint()); }

  template <class Unsigned>
  Unsigned fixed() noexcept {
    if (!take(sizeof(Unsigned))) return 0;
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
      const auto b = static_cast<unsigned char>(bytes_[at_ - sizeof(Unsigned) + i]);
      value |= static_cast<Unsigned>(b) << (8 * i);
    }
    return value;
  }

  double real() noexcept { return std::bit_cast<double>(fixed<std::uint64_t>()); }

  /// The next `n` bytes, in the memory of what is being read.
  std::string_view text(std::uint64_t n) noexcept {
    if (!take(n)) return {};
    return bytes_.substr(at_ - n, n);
  }

  std::uint64_t fail() noexcept {
    ok_ = false;
    return 0;
  }

 private:
  bool take(std::uint64_t n) noexcept {
    if (!ok_ || n > left()) return fail() != 0;
    at_ += n;
    return true;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

inline constexpr std::size_t kTrailerBytes = 4;

/// Whether `bytes` end in the CRC-32C of what stands before it.
[[nodiscard]] inline bool trailer_matches(std::string_view bytes) noexcept {
  if (bytes.size() < kTrailerBytes) return false;
  const std::size_t body = bytes.size() - kTrailerBytes;
  return ByteReader(bytes.substr(body)).fixed<std::uint32_t>() == crc32c(bytes.substr(0, body));
}

}  // namespace cairn::features
