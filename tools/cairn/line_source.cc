#include "tools/cairn/line_source.h"

#include <array>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include "cairn/utf8.h"

namespace cairn::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
/// A JSON array may stand in one line, however long.
constexpr std::size_t kLineBytesMax = std::size_t{1} << 30;

/// What windows-1252 has where Latin-1 has control characters, from 0x80 on; 0: nothing (Unicode's CP1252.TXT).
constexpr std::array<char32_t, 32> kWindows1252 = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                                   0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

/// Of the characters here none is above U+FFFF.
void append_utf8(char32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += static_cast<char>(0xC0 | c >> 6);
    *out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    *out += static_cast<char>(0xE0 | c >> 12);
    *out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool is_utf16(std::string_view line) {
  return line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF") ||
         line.substr(0, 2).find('\0') != std::string_view::npos;
}

/// Of a file that holds no text, what it is and what to do; empty for others.
std::string what_it_is(std::string_view first_line) {
  struct Kind {
    std::string_view begins;
    const char* what;
  };
  constexpr Kind kKinds[] = {
      {"\x1F\x8B", "it is gzip: gunzip -c FILE | cairn ... -"},
      {"BZh", "it is compressed by bzip2: bzip2 -dc FILE | cairn ... -"},
      {"\xFD"
       "7zXZ",
       "it is compressed by xz: xz -dc FILE | cairn ... -"},
      {"\x28\xB5\x2F\xFD", "it is compressed by zstd: zstd -dc FILE | cairn ... -"},
      {"PK\x03\x04", "it is a ZIP archive, as spreadsheets are (.xlsx, .ods): save the sheet as CSV, or unzip it"},
      {"PAR1\x15", "it is Parquet: make it CSV or NDJSON first (duckdb -c \"COPY 'FILE' TO 'out.csv'\")"},
      {"SQLite format 3", "it is an SQLite database: export a table (sqlite3 -header -csv FILE 'SELECT ...')"},
  };
  for (const Kind& kind : kKinds) {
    if (first_line.starts_with(kind.begins)) return kind.what;
  }
  return {};
}

std::string byte_text(char c) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Status check_utf8(std::string_view line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    if (length == 0) {
      return invalid_argument("byte " + std::to_string(line.size() - rest.size() + 1) + " of the line, " +
                              byte_text(rest.front()) +
                              ", is no UTF-8; if the file is in another encoding, say so: --encoding latin1 (or "
                              "windows-1252), or convert it with iconv");
    }
    rest.remove_prefix(length);
  }
  return ok_status();
}

Result<LineSource> LineSource::open(const std::string& path, Encoding encoding) {
  LineSource source(encoding);
  source.path_ = path;
  if (path != "-") {
    CAIRN_ASSIGN_OR_RETURN(source.reader_, streaming::open_line_reader(path, kLineBytesMax));
  }
  return source;
}

Result<bool> LineSource::next_raw(std::string_view* line) {
  if (reader_) return reader_->next(line);
  if (!std::getline(std::cin, buffer_)) {
    if (std::cin.bad()) return unavailable("standard input cannot be read");
    return false;
  }
  *line = buffer_;
  return true;
}

Status LineSource::convert(std::string_view* line) {
  if (encoding_ == Encoding::kUtf8) return ok_status();
  converted_.clear();
  for (const char c : *line) {
    const auto byte = static_cast<unsigned char>(c);
    const bool special = encoding_ == Encoding::kWindows1252 && byte >= 0x80 && byte < 0xA0;
    const char32_t character = special ? kWindows1252.at(byte - 0x80U) : byte;
    if (special && character == 0) return invalid_argument(byte_text(c) + " is no character of windows-1252");
    append_utf8(character, &converted_);
  }
  *line = converted_;
  return ok_status();
}

Result<bool> LineSource::next(std::string_view* line) {
  const Result<bool> more = next_raw(line);
  if (more.ok() && !*more) return false;
  ++number_;
  if (!more.ok()) return more;
  if (number_ == 1) {
    if (is_utf16(*line)) {
      return invalid_argument("it looks like UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8 " + path_);
    }
    if (std::string what = what_it_is(*line); !what.empty()) return invalid_argument(std::move(what));
    // Converted, the mark would be three characters of text.
    if (line->starts_with(kByteOrderMark)) line->remove_prefix(kByteOrderMark.size());
  }
  CAIRN_RETURN_IF_ERROR(convert(line));
  return true;
}

}  // namespace cairn::cli
