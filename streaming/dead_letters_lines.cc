#include "streaming/dead_letters_lines.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

#include "cairn/rfc3339.h"
#include "cairn/utf8.h"
#include "streaming/mentions.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kPayloadKept = 64 << 10;

/// A JSON string of `text`; bytes that are no UTF-8 are replaced.
void append_string(std::string_view text, std::string* out) {
  out->push_back('"');
  if (is_utf8(text)) {
    append_escaped(text, out);
  } else {
    std::string ascii(text);
    std::replace_if(
        ascii.begin(), ascii.end(), [](char c) { return (c & 0x80) != 0; }, '?');
    append_escaped(ascii, out);
  }
  out->push_back('"');
}

/// RFC 4648, section 4.
void append_base64(std::string_view bytes, std::string* out) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out->push_back(kAlphabet[three >> 18 & 63]);
    out->push_back(kAlphabet[three >> 12 & 63]);
    out->push_back(i + 1 < bytes.size() ? kAlphabet[three >> 6 & 63] : '=');
    out->push_back(i + 2 < bytes.size() ? kAlphabet[three & 63] : '=');
  }
}

/// The first kPayloadKept bytes; of a text, without the pieces of a character at the cut.
std::string_view kept_part(std::string_view payload) {
  if (payload.size() <= kPayloadKept) return payload;
  const std::string_view cut = payload.substr(0, kPayloadKept);
  // A character has four bytes at most. A payload that is no UTF-8 anyway is cut where it falls.
  for (std::size_t back = 0; back < 4; ++back) {
    const std::string_view shorter = cut.substr(0, cut.size() - back);
    if (is_utf8(shorter)) return shorter;
  }
  return cut;
}

void append_payload(std::string_view payload, std::string* out) {
  const std::string_view kept = kept_part(payload);
  if (is_utf8(kept)) {
    out->append("\"payload\":");
    append_string(kept, out);
  } else {
    out->append("\"payload_base64\":\"");
    append_base64(kept, out);
    out->push_back('"');
  }
  if (kept.size() < payload.size()) out->append(",\"payload_bytes\":").append(std::to_string(payload.size()));
}

/// What letters and summaries begin with, up to the detail.
void append_head(const LetterPartition& partition, std::int64_t offset, Reject reason, std::string* out) {
  out->append("{\"source\":\"").append(partition.source);
  if (!partition.incarnation.empty()) out->append("\",\"incarnation\":\"").append(partition.incarnation);
  out->append("\",\"partition\":").append(std::to_string(partition.partition));
  out->append(",\"offset\":").append(std::to_string(offset));
  out->append(",\"reason\":\"").append(to_string(reason)).append("\",\"detail\":");
}

void append_seen(EventTime seen, std::string* out) {
  out->append(",\"seen\":\"").append(format_rfc3339(seen, Rfc3339Fraction::kAlways)).append("\",");
}

/// Reads what append_line() wrote, from the front.
class LineScan {
 public:
  explicit LineScan(std::string_view line) : rest_(line) {}

  bool literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  /// Up to the closing quote, as it stands in the file: an escaped name serves as a key as well as the name.
  std::optional<std::string_view> escaped_text() {
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        const std::string_view text = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return text;
      }
    }
    return std::nullopt;
  }

  template <class Number>
  bool number(Number* value) {
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *value);
    if (read.ec != std::errc{}) return false;
    rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace

namespace {

/// A line, taken apart. Texts are as they stand in the file, escaped.
struct Letter {
  LetterPartition partition;
  std::int64_t offset = 0;
  Reject reason = Reject::kNone;
  std::string_view detail;
  EventTime seen{};
  std::optional<std::string_view> payload;
  std::optional<std::string_view> payload_base64;
};

std::optional<Reject> reject_of(std::string_view name) {
  for (int i = 0; i < kRejects; ++i) {
    if (to_string(static_cast<Reject>(i)) == name) return static_cast<Reject>(i);
  }
  return std::nullopt;
}

bool read_head(LineScan& scan, LetterPartition* partition, std::int64_t* offset) {
  if (!scan.literal("{\"source\":\"")) return false;
  const auto source = scan.escaped_text();
  if (!source) return false;
  partition->source = *source;
  if (scan.literal(",\"incarnation\":\"")) {
    const auto incarnation = scan.escaped_text();
    if (!incarnation) return false;
    partition->incarnation = *incarnation;
  }
  return scan.literal(",\"partition\":") && scan.number(&partition->partition) && scan.literal(",\"offset\":") &&
         scan.number(offset);
}

std::optional<Letter> read_letter(std::string_view line) {
  LineScan scan(line);
  Letter letter;
  if (!read_head(scan, &letter.partition, &letter.offset) || !scan.literal(",\"reason\":\"")) return std::nullopt;
  const auto reason = scan.escaped_text();
  const auto reject = reason ? reject_of(*reason) : std::nullopt;
  if (!reject || !scan.literal(",\"detail\":\"")) return std::nullopt;
  letter.reason = *reject;
  const auto detail = scan.escaped_text();
  if (!detail || !scan.literal(",\"seen\":\"")) return std::nullopt;
  letter.detail = *detail;
  const auto seen = scan.escaped_text();
  const auto time = seen ? parse_rfc3339(*seen) : std::nullopt;
  if (!time) return std::nullopt;
  letter.seen = *time;
  if (scan.literal(",\"payload\":\"")) letter.payload = scan.escaped_text();
  if (scan.literal(",\"payload_base64\":\"")) letter.payload_base64 = scan.escaped_text();
  return letter;
}

std::string from_base64(std::string_view text) {
  const auto value = [](char c) -> std::uint32_t {
    if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
    if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : 0;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 4 <= text.size(); i += 4) {
    const std::uint32_t three =
        value(text[i]) << 18 | value(text[i + 1]) << 12 | value(text[i + 2]) << 6 | value(text[i + 3]);
    bytes.push_back(static_cast<char>(three >> 16));
    if (text[i + 2] != '=') bytes.push_back(static_cast<char>(three >> 8));
    if (text[i + 3] != '=') bytes.push_back(static_cast<char>(three));
  }
  return bytes;
}

}  // namespace

bool letter_has(std::string_view line, const DeadLetters::Wanted& wanted) {
  const auto letter = read_letter(line);
  if (!letter) return wanted(line);
  if (wanted(without_escapes(letter->detail))) return true;
  if (letter->payload) return wanted(without_escapes(*letter->payload));
  return letter->payload_base64 && wanted(from_base64(*letter->payload_base64));
}

void append_erased(std::string_view line, std::string* out) {
  const auto letter = read_letter(line);
  if (letter) append_not_kept(letter->partition, letter->offset, letter->reason, 1, letter->seen, out);
}

LetterPartition partition_of(const DeadLetter& letter) {
  std::string quoted;
  append_string(letter.source, &quoted);
  return {quoted.substr(1, quoted.size() - 2), std::string(letter.incarnation), letter.partition.value};
}

void append_letter(const LetterPartition& partition, const DeadLetter& letter, std::string* out) {
  append_head(partition, letter.offset.value, letter.reason, out);
  append_string(letter.detail, out);
  append_seen(letter.seen, out);
  append_payload(letter.payload, out);
  out->append("}\n");
}

void append_not_kept(const LetterPartition& partition, std::int64_t offset, Reject reason, std::uint64_t count,
                     EventTime seen, std::string* out) {
  const std::string number = std::to_string(count);
  append_head(partition, offset, reason, out);
  append_string(number + " more of this reason were not kept", out);
  append_seen(seen, out);
  out->append("\"not_kept\":").append(number).append("}\n");
}

void note_line(std::string_view line, LettersWritten* written) {
  LineScan scan(line);
  LetterPartition key;
  std::int64_t offset = 0;
  if (!read_head(scan, &key, &offset)) return;
  const auto [it, fresh] = written->try_emplace(std::move(key), offset);
  if (!fresh) it->second = std::max(it->second, offset);
}

}  // namespace cairn::streaming
