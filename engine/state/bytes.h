#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn::state {

/// Writes the small fixed records of this folder (engine/state/format.md): little-endian integers, length-prefixed
/// text.
class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(*out) {}

  template <std::unsigned_integral T>
  void integer(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void number(double value) { integer(std::bit_cast<std::uint64_t>(value)); }
  void text(std::string_view value) {
    integer(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }

 private:
  std::string& out_;
};

/// Reads them back. After any read past the end ok() is false and every value is zero or empty.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  [[nodiscard]] T integer() {
    T value = 0;
    if (!take(sizeof(T))) return value;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>(value | (static_cast<T>(static_cast<unsigned char>(taken_[i])) << (8 * i)));
    }
    return value;
  }
  [[nodiscard]] double number() { return std::bit_cast<double>(integer<std::uint64_t>()); }
  [[nodiscard]] std::string_view text() {
    const auto size = integer<std::uint32_t>();
    return ok_ && take(size) ? taken_ : std::string_view{};
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Bytes that were not read yet.
  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }
  /// Everything was read and nothing was missing.
  [[nodiscard]] bool complete() const noexcept { return ok_ && rest_.empty(); }

 private:
  bool take(std::size_t size) {
    ok_ = ok_ && size <= rest_.size();
    if (!ok_) return false;
    taken_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
  std::string_view taken_;
  bool ok_ = true;
};

/// Big-endian, so that keys sort like the numbers in them.
inline void append_big_endian(std::uint64_t value, std::size_t bytes, std::string* out) {
  for (std::size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

[[nodiscard]] inline std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace cairn::state
