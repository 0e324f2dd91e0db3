#include "cairn/utf8.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

/// A row of the grammar in RFC 3629, section 4: the range of each byte.
struct Row {
  struct Range {
    unsigned low;
    unsigned high;
  };
  std::vector<Range> bytes;
};

/// UTF8-1 to UTF8-4, as they stand there.
const std::vector<Row>& grammar() {
  constexpr Row::Range kTail{0x80, 0xBF};
  static const std::vector<Row> rows = {
      {{{0x00, 0x7F}}},
      {{{0xC2, 0xDF}, kTail}},
      {{{0xE0, 0xE0}, {0xA0, 0xBF}, kTail}},
      {{{0xE1, 0xEC}, kTail, kTail}},
      {{{0xED, 0xED}, {0x80, 0x9F}, kTail}},
      {{{0xEE, 0xEF}, kTail, kTail}},
      {{{0xF0, 0xF0}, {0x90, 0xBF}, kTail, kTail}},
      {{{0xF1, 0xF3}, kTail, kTail, kTail}},
      {{{0xF4, 0xF4}, {0x80, 0x8F}, kTail, kTail}},
  };
  return rows;
}

std::size_t length_by_grammar(std::string_view text) {
  for (const Row& row : grammar()) {
    bool fits = row.bytes.size() <= text.size();
    for (std::size_t i = 0; fits && i < row.bytes.size(); ++i) {
      const unsigned byte = static_cast<unsigned char>(text[i]);
      fits = byte >= row.bytes[i].low && byte <= row.bytes[i].high;
    }
    if (fits) return row.bytes.size();
  }
  return 0;
}

std::string text_of(std::initializer_list<unsigned> bytes) {
  std::string text;
  for (const unsigned byte : bytes) text += static_cast<char>(byte);
  return text;
}

TEST_CASE("every first and second byte is judged as the grammar of RFC 3629 has it, whole or cut off") {
  // The grammar's ranges differ in the first two bytes only; the others are taken from both sides of the tail's range.
  constexpr std::array<unsigned, 5> kOthers = {0x7F, 0x80, 0xBF, 0xC0, 0x00};
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      for (const unsigned third : kOthers) {
        for (const unsigned fourth : kOthers) {
          const std::string text = text_of({first, second, third, fourth});
          for (std::size_t size = 0; size <= text.size(); ++size) {
            const std::string_view cut = std::string_view(text).substr(0, size);
            if (utf8_length(cut) == length_by_grammar(cut)) continue;
            FAIL("bytes ", first, " ", second, " ", third, " ", fourth, ", the first ", size, " of them");
          }
        }
      }
    }
  }
}

TEST_CASE("every code point's own form is UTF-8, and a surrogate's is not") {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    std::string text;
    if (point < 0x80) {
      text = text_of({point});
    } else if (point < 0x800) {
      text = text_of({0xC0 | point >> 6, 0x80 | (point & 0x3F)});
    } else if (point < 0x10000) {
      text = text_of({0xE0 | point >> 12, 0x80 | (point >> 6 & 0x3F), 0x80 | (point & 0x3F)});
    } else {
      text =
          text_of({0xF0 | point >> 18, 0x80 | (point >> 12 & 0x3F), 0x80 | (point >> 6 & 0x3F), 0x80 | (point & 0x3F)});
    }
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    if (utf8_length(text) != (surrogate ? 0 : text.size())) FAIL("code point ", point);
  }
}

TEST_CASE("overlong forms, surrogates, points above U+10FFFF and cut characters are no UTF-8") {
  for (const char* text : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                           "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xFF"}) {
    CHECK(utf8_length(text) == 0);
    CHECK_FALSE(is_utf8(text));
    CHECK_FALSE(is_utf8("before " + std::string(text)));
    CHECK_FALSE(is_utf8(std::string(text) + " after"));
  }
}

TEST_CASE("a text is UTF-8 when all its characters are") {
  CHECK(is_utf8(""));
  CHECK(utf8_length("") == 0);
  CHECK(is_utf8("plain ü 日本 \xF0\x9F\x98\x80"));
  CHECK(is_utf8(std::string_view("a\0b", 3)));  // NUL is a character
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (unsigned i = random() % 6; i > 0; --i) text += static_cast<char>(random());
    bool expected = true;
    for (std::string_view rest = text; expected && !rest.empty();) {
      const std::size_t length = length_by_grammar(rest);
      expected = length > 0;
      rest.remove_prefix(length);
    }
    if (is_utf8(text) != expected) FAIL("round ", round);
  }
}

}  // namespace
}  // namespace cairn
