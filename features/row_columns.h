#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "features/bytes.h"

namespace cairn::features {

// How a row's numbers are written and read back: varints, and columns of numbers packed at one width. A packed number
// takes its bits from the low end of each byte on; the bits left over in the last byte are zero.

inline std::uint64_t little_endian(std::uint64_t v) noexcept {
  return std::endian::native == std::endian::little ? v : __builtin_bswap64(v);
}

constexpr std::uint64_t low_bits(unsigned width) noexcept {
  return width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
}

/// The bits that the largest of some numbers needs, given all of them or-ed together; at least `at_least`.
constexpr unsigned width_of(std::uint64_t ored, unsigned at_least) noexcept {
  return std::max(static_cast<unsigned>(std::bit_width(ored)), at_least);
}

/// Writes to memory that is known to be large enough: the caller has reserved the most that a row can take, and
/// kPenSlack bytes behind it.
class Pen {
 public:
  explicit Pen(char* to) noexcept : to_(to) {}

  [[nodiscard]] char* at() const noexcept { return to_; }

  void byte(unsigned v) noexcept { *to_++ = static_cast<char>(v); }

  void varint(std::uint64_t v) noexcept {
    for (; v >= 0x80; v >>= 7) *to_++ = static_cast<char>(v | 0x80);
    *to_++ = static_cast<char>(v);
  }

  void signed_varint(std::int64_t v) noexcept { varint(zigzag(v)); }

  /// Varints without a branch on their lengths, which change from number to number. `number(i)` for i below `n`.
  template <class Number>
  void varints(std::size_t n, Number number) noexcept {
    // A pointer of its own: what is written through to_ might be to_ itself, for all the compiler knows.
    char* to = to_;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t v = number(i);
      if (v >> 56 != 0) {
        to_ = to;
        varint(v);
        to = to_;
        continue;
      }
      const unsigned length = (width_of(v, 1) + 6) / 7;
      // Groups of seven bits move apart in three steps: halves, quarters, eighths.
      std::uint64_t x = (v & 0x000000000FFFFFFFu) | (v & 0x00FFFFFFF0000000u) << 4;
      x = (x & 0x00003FFF00003FFFu) | (x & 0x0FFFC0000FFFC000u) << 2;
      x = (x & 0x007F007F007F007Fu) | (x & 0x3F803F803F803F80u) << 1;
      x = little_endian(x | (0x8080808080808080u & low_bits(8 * (length - 1))));
      std::memcpy(to, &x, sizeof x);
      to += length;
    }
    to_ = to;
  }

  /// `number(i)` for i below `n`, each below 2^width.
  template <class Number>
  void packed(unsigned width, std::size_t n, Number number) noexcept {
    char* to = to_;
    std::uint64_t waiting = 0;
    unsigned bits = 0;  // below 8 between two numbers
    const auto put = [&](std::uint64_t v, unsigned w) {
      waiting |= v << bits;
      bits += w;
      const std::uint64_t bytes = little_endian(waiting);
      std::memcpy(to, &bytes, sizeof bytes);
      to += bits / 8;
      waiting = bits >= 64 ? 0 : waiting >> (bits & ~7u);
      bits &= 7u;
    };
    if (width <= 57) {
      for (std::size_t i = 0; i < n; ++i) put(number(i), width);
    } else {
      // With up to seven bits waiting, 64 bits have no room for more than 57.
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t v = number(i);
        put(v & low_bits(32), 32);
        put(v >> 32, width - 32);
      }
    }
    if (bits > 0) *to++ = static_cast<char>(waiting);
    to_ = to;
  }

  void bytes(std::string_view text) noexcept {
    std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
  }

 private:
  char* to_;
};

/// What Pen may write behind the last byte that counts.
inline constexpr std::size_t kPenSlack = 8;

/// Reads from bytes that may hold anything. The first read that the bytes cannot satisfy makes it fail for good, and
/// reads after it give zeros, so that asking once after several is enough.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) noexcept : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool finished() const noexcept { return ok_ && at_ == end_; }

  unsigned byte() noexcept { return at_ < end_ ? static_cast<unsigned char>(*at_++) : failed(); }

  std::uint64_t varint() noexcept {
    if (at_ < end_ && static_cast<signed char>(*at_) >= 0) return static_cast<unsigned char>(*at_++);
    return long_varint();
  }

  std::int64_t signed_varint() noexcept { return unzigzag(varint()); }

  /// varint() without a branch on its length: for columns, where lengths change from number to number.
  std::uint64_t column_varint() noexcept {
    if (left() < sizeof(std::uint64_t)) return varint();
    std::uint64_t x = load(at_);
    const std::uint64_t ends = ~x & 0x8080808080808080u;
    if (ends == 0) return varint();
    const unsigned length = static_cast<unsigned>(std::countr_zero(ends)) / 8 + 1;
    x &= low_bits(8 * length) & 0x7F7F7F7F7F7F7F7Fu;
    if (length > 1 && x >> (8 * (length - 1)) == 0) return failed();
    x = (x & 0x007F007F007F007Fu) | (x & 0x7F007F007F007F00u) >> 1;
    x = (x & 0x00003FFF00003FFFu) | (x & 0x3FFF00003FFF0000u) >> 2;
    x = (x & 0x000000000FFFFFFFu) | (x & 0x0FFFFFFF00000000u) >> 4;
    at_ += length;
    return x;
  }

  /// Calls `take(i, number)` for i below `n`. Fails when bytes are missing or bits left over are not zero; `take` is
  /// called either n times or not at all. Requires: 1 <= width <= 64, n < 2^32.
  template <class Take>
  void packed(unsigned width, std::size_t n, Take take) noexcept {
    const std::size_t bits = n * width;
    const std::size_t bytes = (bits + 7) / 8;
    if (!ok_ || bytes > left()) return fail();
    if (bits % 8 != 0 && static_cast<unsigned char>(at_[bytes - 1]) >> (bits % 8) != 0) return fail();
    const std::uint64_t mask = low_bits(width);
    std::size_t i = 0;
    if (width <= 57) {
      // Eight bytes hold any number that begins in the first of them. Near the end they are not all there.
      for (std::size_t bit = 0; i < n && bit / 8 + 8 <= left(); ++i, bit += width) {
        take(i, (load(at_ + bit / 8) >> (bit % 8)) & mask);
      }
    }
    for (; i < n; ++i) take(i, slowly(i * width, width, bytes));
    at_ += bytes;
  }

  void skip_varints(std::size_t n) noexcept {
    while (n >= 8 && left() >= 8) {
      const int ends = std::popcount(~load(at_) & 0x8080808080808080u);
      n -= static_cast<std::size_t>(ends);
      at_ += 8;
    }
    // A varint that began in the eight bytes before may end here, and its end is what is counted.
    for (; n > 0 && at_ < end_; ++at_) n -= static_cast<signed char>(*at_) >= 0 ? 1 : 0;
    if (n > 0) fail();
  }

  void skip_packed(unsigned width, std::size_t n) noexcept {
    const std::size_t bytes = (n * width + 7) / 8;
    if (width > 64 || bytes > left()) return fail();
    at_ += bytes;
  }

  /// What lies between where `before` stands and where this one does.
  [[nodiscard]] std::string_view since(const Cursor& before) const noexcept {
    return {before.at_, static_cast<std::size_t>(at_ - before.at_)};
  }

  void fail() noexcept {
    ok_ = false;
    at_ = end_;
  }

 private:
  static std::uint64_t load(const char* from) noexcept {
    std::uint64_t v = 0;
    std::memcpy(&v, from, sizeof v);
    return little_endian(v);
  }

  unsigned failed() noexcept {
    fail();
    return 0;
  }

  std::uint64_t slowly(std::size_t bit, unsigned width, std::size_t bytes) const noexcept {
    std::uint64_t v = 0;
    unsigned have = 0;
    for (std::size_t i = bit / 8; i < bytes && have < width; ++i) {
      const std::uint64_t part = static_cast<unsigned char>(at_[i]) >> (have == 0 ? bit % 8 : 0);
      v |= part << have;
      have += have == 0 ? 8 - static_cast<unsigned>(bit % 8) : 8;
    }
    return v & low_bits(width);
  }

  /// Fails for one that is cut off, exceeds 64 bits or is not the shortest for its value.
  std::uint64_t long_varint() noexcept {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const unsigned b = byte();
      value |= static_cast<std::uint64_t>(b & 0x7Fu) << shift;
      if ((b & 0x80u) == 0) return ok_ && b != 0 && (shift < 63 || b == 1) ? value : failed();
    }
    return failed();
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace cairn::features
