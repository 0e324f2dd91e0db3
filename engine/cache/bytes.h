#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cairn::cache {

/// Writes values one behind the other, so that no two sequences of values give the same bytes. Numbers stand as they
/// are in memory: for this process, and for others on machines whose numbers are alike.
class ByteWriter {
 public:
  template <class Number>
  void number(Number value) {
    static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    text_.append(bytes, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    text_ += value;
  }
  template <class Number>
  void maybe(const std::optional<Number>& value) {
    number(value.has_value());
    if (value) number(*value);
  }
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  std::string text_;
};

/// Reads what ByteWriter wrote. Behind the end, or where a size makes no sense, every value is 0 or empty and ok() is
/// false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  template <class Number>
  [[nodiscard]] Number number() {
    static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
    Number value{};
    if (left_.size() < sizeof value) {
      fail();
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_.remove_prefix(sizeof value);
    return value;
  }
  [[nodiscard]] std::string text() {
    const auto size = number<std::uint32_t>();
    if (left_.size() < size) {
      fail();
      return {};
    }
    std::string value(left_.substr(0, size));
    left_.remove_prefix(size);
    return value;
  }
  template <class Number>
  [[nodiscard]] std::optional<Number> maybe() {
    if (!flag()) return std::nullopt;
    return number<Number>();
  }
  /// Any byte but 0 is true.
  [[nodiscard]] bool flag() { return number<std::uint8_t>() != 0; }
  /// A value of an enum whose last one is `last`.
  template <class Enum>
  [[nodiscard]] Enum choice(Enum last) {
    const auto value = number<std::underlying_type_t<Enum>>();
    if (value > static_cast<std::underlying_type_t<Enum>>(last)) fail();
    return ok_ ? static_cast<Enum>(value) : Enum{};
  }
  /// A number of elements, each of which takes a byte at least.
  [[nodiscard]] std::size_t count() {
    const auto size = number<std::uint32_t>();
    if (size > left_.size()) fail();
    return ok_ ? size : 0;
  }

  /// Whether all that was read was there.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return ok_ && left_.empty(); }

 private:
  void fail() {
    ok_ = false;
    left_ = {};
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace cairn::cache
