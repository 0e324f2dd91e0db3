#pragma once

#include <cstddef>
#include <string_view>

// Whether bytes are UTF-8 (RFC 3629). Everything that judges text uses this, so that what one part accepts no other
// part refuses.

namespace cairn {

/// Length in bytes of the UTF-8 character at the front of `text`, by RFC 3629, section 4 (Unicode's table 3-7): no
/// overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off.
/// Returns: 1 to 4; 0 when there is no such character, or no text.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
  // A byte past the end is 0, which continues nothing.
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  if (text.empty()) return 0;
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;  // a continuation, an overlong form, or above U+10FFFF
  if (first < 0xE0) return continues(1) ? 2 : 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  const bool overlong = first == 0xF0 && byte(1) < 0x90;
  const bool above = first == 0xF4 && byte(1) > 0x8F;
  return continues(1) && continues(2) && continues(3) && !overlong && !above ? 4 : 0;
}

/// Whether all of `text` is UTF-8. Empty text is.
[[nodiscard]] constexpr bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace cairn
