#include "engine/serving/http/header_block.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace cairn::serving {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeaderEnd = "\r\n\r\n";

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789")) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return kToken[c]; });
}

constexpr bool is_control(unsigned char c) noexcept { return (c < 0x20 && c != '\t') || c == 0x7F; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// `lower_case` is in lower case already.
bool is(std::string_view text, std::string_view lower_case) noexcept {
  return text.size() == lower_case.size() &&
         std::equal(text.begin(), text.end(), lower_case.begin(), [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The line at the front of `rest`, which it is taken from together with its CRLF.
std::string_view take_line(std::string_view& rest) noexcept {
  const std::size_t end = rest.find(kLineEnd);
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), line.size() + kLineEnd.size()));
  return line;
}

Result<std::uint64_t> read_length(std::string_view value) {
  std::uint64_t length = 0;
  const char* const end = value.data() + value.size();
  const auto [read, error] = std::from_chars(value.data(), end, length);
  // from_chars takes no sign and no blanks for an unsigned number, so what it takes whole is digits.
  if (value.empty() || error != std::errc() || read != end) {
    return invalid_argument("Content-Length must be one number of digits only (RFC 9110, section 8.6)");
  }
  return length;
}

/// The fields that delimit a body, as they come.
class FramingFields {
 public:
  Status add(std::string_view name, std::string_view value) {
    if (is(name, "content-length")) {
      if (length_) return invalid_argument("Content-Length is given twice; give it once");
      CAIRN_ASSIGN_OR_RETURN(length_, read_length(value));
    } else if (is(name, "transfer-encoding")) {
      if (chunked_) return invalid_argument("Transfer-Encoding is given twice; give it once, as \"chunked\"");
      if (!is(value, "chunked")) {
        return invalid_argument("the only Transfer-Encoding read here is \"chunked\", alone (RFC 9112, section 6.1)");
      }
      chunked_ = true;
    }
    return {};
  }

  [[nodiscard]] Result<Framing> framing(bool http_1_0) const {
    if (chunked_ && length_) {
      return invalid_argument("Content-Length and Transfer-Encoding are both given; give one (RFC 9112, section 6.3)");
    }
    if (chunked_ && http_1_0) {
      return invalid_argument("HTTP/1.0 has no Transfer-Encoding (RFC 9112, section 6.1); send Content-Length");
    }
    if (chunked_) return Framing{Framing::Kind::kChunked, 0};
    return length_.value_or(0) > 0 ? Framing{Framing::Kind::kLength, *length_} : Framing{};
  }

 private:
  std::optional<std::uint64_t> length_;
  bool chunked_ = false;
};

}  // namespace

Result<std::optional<std::size_t>> find_header_end(std::string_view bytes, std::size_t checked) {
  // The last bytes seen may be the beginning of the end.
  const std::size_t from = checked - std::min(checked, kHeaderEnd.size() - 1);
  const std::size_t end = bytes.find(kHeaderEnd, from);
  const std::size_t stop = end == std::string_view::npos ? bytes.size() : end + kHeaderEnd.size();
  for (std::size_t i = from; i < stop; ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (!is_control(c)) [[likely]]
      continue;
    const bool ends_line = c == '\r' && (i + 1 == stop || bytes[i + 1] == '\n');
    const bool line_end = c == '\n' && i > 0 && bytes[i - 1] == '\r';
    if (ends_line || line_end) continue;
    return invalid_argument(c == '\r' || c == '\n' ? "a line of the header does not end in CRLF (RFC 9112, section 2.2)"
                                                   : "the header holds a control character, such as NUL");
  }
  if (end == std::string_view::npos) return std::optional<std::size_t>();
  return std::optional<std::size_t>(stop);
}

bool is_field_line(std::string_view line) noexcept {
  const std::size_t colon = line.find(':');
  return colon != std::string_view::npos && is_token(line.substr(0, colon));
}

Result<Framing> read_framing(std::string_view header) {
  const bool http_1_0 = take_line(header).ends_with(" HTTP/1.0");
  FramingFields fields;
  for (std::string_view line = take_line(header); !line.empty(); line = take_line(header)) {
    if (line.front() == ' ' || line.front() == '\t') {
      return invalid_argument("a header's line is folded (RFC 9112, section 5.2); write each field on one line");
    }
    if (!is_field_line(line)) {
      return invalid_argument("a line of the header is no \"name: value\", or has blanks before its colon");
    }
    const std::size_t colon = line.find(':');
    CAIRN_RETURN_IF_ERROR(fields.add(line.substr(0, colon), trim(line.substr(colon + 1))));
  }
  return fields.framing(http_1_0);
}

}  // namespace cairn::serving
