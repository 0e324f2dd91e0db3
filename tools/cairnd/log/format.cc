#include "tools/cairnd/log/format.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cairn/rfc3339.h"
#include "cairn/utf8.h"

namespace cairn::cairnd {
namespace {

constexpr char kHex[] = "0123456789abcdef";

/// Whether a terminal or a log reader could take the character at the beginning of `text` for something else: C0 and C1
/// controls, line and paragraph separators, marks that turn the direction of writing.
bool unsafe(std::string_view sequence) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
  if (sequence.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
  if (sequence.size() == 3 && byte(0) == 0xE2 && byte(1) == 0x80) return byte(2) >= 0xA8 && byte(2) <= 0xAE;
  return sequence.size() == 3 && byte(0) == 0xE2 && byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
}

void append_hex(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  }
}

void append_escaped(std::string_view text, bool quoted, std::string* out) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view sequence = text.substr(0, std::max<std::size_t>(length, 1));
    if (sequence == "\n") {
      *out += "\\n";
    } else if (sequence == "\\" || (quoted && sequence == "\"")) {
      *out += "\\" + std::string(sequence);
    } else if (length == 0 || unsafe(sequence)) {
      append_hex(sequence, out);
    } else {
      *out += sequence;
    }
    text.remove_prefix(sequence.size());
  }
}

/// A value that needs no quotes: visible ASCII without the characters that structure the line.
bool plain(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(),
                                       [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\'; });
}

void append_value(std::string_view value, std::string* out) {
  if (plain(value)) {
    *out += value;
    return;
  }
  *out += '"';
  append_escaped(value, true, out);
  *out += '"';
}

/// "event: message key=value".
void append_body(const LogRecord& record, std::string* out) {
  append_escaped(record.event, false, out);
  *out += ": ";
  append_escaped(record.message, false, out);
  for (const auto& [key, value] : record.fields) {
    *out += ' ';
    append_escaped(key, false, out);
    *out += '=';
    append_value(value, out);
  }
}

void append_json_character(std::string_view sequence, std::string* out) {
  const auto byte = static_cast<unsigned char>(sequence.front());
  if (sequence == "\"" || sequence == "\\") {
    *out += "\\" + std::string(sequence);
  } else if (sequence == "\n") {
    *out += "\\n";
  } else if (sequence.size() == 1 && (byte < 0x20 || byte == 0x7F)) {
    *out += "\\u00";
    *out += {kHex[byte >> 4], kHex[byte & 15]};
  } else {
    *out += sequence;
  }
}

void append_json_string(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      *out += "\xEF\xBF\xBD";  // U+FFFD, the replacement character
    } else {
      append_json_character(text.substr(0, length), out);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  *out += '"';
}

void append_member(std::string_view key, std::string_view value, std::string* out) {
  *out += out->size() > 1 ? "," : "";
  append_json_string(key, out);
  *out += ':';
  append_json_string(value, out);
}

int priority(LogLevel level) noexcept {
  constexpr int kPriorities[] = {7, 6, 4, 3};  // syslog's debug, info, warning, err
  return kPriorities[static_cast<std::size_t>(level)];
}

}  // namespace

std::string_view level_name(LogLevel level) noexcept {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

std::string format_text(const LogRecord& record) {
  std::string line =
      format_rfc3339(record.time, Rfc3339Fraction::kAlways) + " " + std::string(level_name(record.level)) + " ";
  append_body(record, &line);
  return line;
}

std::string format_journal(const LogRecord& record) {
  std::string line = "<" + std::to_string(priority(record.level)) + ">";
  append_body(record, &line);
  return line;
}

std::string format_json(const LogRecord& record) {
  std::string line = "{";
  append_member("time", format_rfc3339(record.time, Rfc3339Fraction::kAlways), &line);
  append_member("level", level_name(record.level), &line);
  append_member("event", record.event, &line);
  append_member("message", record.message, &line);
  for (const auto& [key, value] : record.fields) {
    const bool taken = key == "time" || key == "level" || key == "event" || key == "message";
    append_member(taken ? "field_" + key : key, value, &line);
  }
  return line + "}";
}

}  // namespace cairn::cairnd
