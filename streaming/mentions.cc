#include "streaming/mentions.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace cairn::streaming {
namespace {

bool is_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte >= 0x80;
}

bool stands_alone(std::string_view text, std::string_view id) {
  for (std::size_t at = text.find(id); at != std::string_view::npos; at = text.find(id, at + 1)) {
    const std::size_t end = at + id.size();
    // Where the id itself begins or ends with another sign, nothing can go on from it.
    const bool begins = at == 0 || !is_word(id.front()) || !is_word(text[at - 1]);
    const bool ends = end == text.size() || !is_word(id.back()) || !is_word(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

std::optional<std::uint32_t> four_digits(std::string_view text) {
  std::uint32_t value = 0;
  if (text.size() < 4) return std::nullopt;
  const auto read = std::from_chars(text.data(), text.data() + 4, value, 16);
  return read.ptr == text.data() + 4 ? std::optional(value) : std::nullopt;
}

void append_utf8(std::uint32_t code, std::string* out) {
  const auto tail = [&](int shift) { out->push_back(static_cast<char>(0x80 | (code >> shift & 0x3F))); };
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | code >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// The escape at the front of `rest`, behind its backslash. Returns: how long it is; 0: it is none.
std::size_t take_escape(std::string_view rest, std::string* out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (rest.empty()) return 0;
  if (const std::size_t at = kLetters.find(rest[0]); at != std::string_view::npos) {
    out->push_back(kMeanings[at]);
    return 1;
  }
  if (rest[0] != 'u') return 0;
  const auto code = four_digits(rest.substr(1));
  if (!code) return 0;
  if (*code >= 0xD800 && *code < 0xDC00 && rest.substr(5).starts_with("\\u")) {
    const auto low = four_digits(rest.substr(7));
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      append_utf8(0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00), out);
      return 11;
    }
  }
  append_utf8(*code, out);
  return 5;
}

}  // namespace

void append_escaped(std::string_view text, std::string* json) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json->push_back('\\');
      json->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[7];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      json->append(escaped);
    } else {
      json->push_back(c);
    }
  }
}

std::string without_escapes(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::size_t taken = json[i] == '\\' ? take_escape(json.substr(i + 1), &text) : 0;
    if (taken == 0) text.push_back(json[i]);
    i += taken;
  }
  return text;
}

bool mentions(std::string_view payload, std::string_view id) {
  if (id.empty()) return false;
  if (stands_alone(payload, id)) return true;
  return payload.find('\\') != std::string_view::npos && stands_alone(without_escapes(payload), id);
}

bool any_id_in(std::string_view payload, const std::function<bool(const std::string& id)>& see) {
  constexpr std::string_view kBetween = ",;:|\t\r\n {}[]\"";
  for (std::size_t i = 0; i < payload.size();) {
    const bool quoted = payload[i] == '"';
    const std::size_t begin = quoted ? i + 1 : i;
    std::size_t end = quoted ? begin : std::min(payload.find_first_of(kBetween, begin), payload.size());
    while (quoted && end < payload.size() && payload[end] != '"') end += payload[end] == '\\' ? 2 : 1;
    end = std::min(end, payload.size());
    if (end > begin && see(without_escapes(payload.substr(begin, end - begin)))) return true;
    i = end + 1;
  }
  return false;
}

}  // namespace cairn::streaming
