#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "streaming/line_reader.h"

namespace cairn::cli {

/// What a file's bytes mean. Text is UTF-8 everywhere behind this: what is something else has to be said, and is
/// converted here.
enum class Encoding : std::uint8_t { kUtf8, kLatin1, kWindows1252 };

/// The lines of a file (plain or gzip) or of standard input, counted, in UTF-8. A byte order mark at the beginning is
/// left out. One thread.
class LineSource {
 public:
  /// "-" is standard input. Returns: what open_line_reader returns.
  [[nodiscard]] static Result<LineSource> open(const std::string& path, Encoding encoding = Encoding::kUtf8);

  /// Points `*line` at the next line, valid until the next call, '\r' and all. Whether it is UTF-8 is not looked at.
  /// Returns: true, or false after the last one; INVALID_ARGUMENT for a file that is UTF-16, or gzip in standard input.
  [[nodiscard]] Result<bool> next(std::string_view* line);
  /// Number of the line that `next` gave or failed at, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] Encoding encoding() const noexcept { return encoding_; }

 private:
  explicit LineSource(Encoding encoding) : encoding_(encoding) {}
  [[nodiscard]] Result<bool> next_raw(std::string_view* line);
  /// `line` in UTF-8, in `converted_`. Returns: INVALID_ARGUMENT for a byte that windows-1252 does not have.
  [[nodiscard]] Status convert(std::string_view* line);

  Encoding encoding_;
  std::unique_ptr<streaming::LineReader> reader_;  // null: standard input
  std::string path_;
  std::string buffer_;
  std::string converted_;
  std::uint64_t number_ = 0;
};

/// Whether a line is UTF-8. Returns: INVALID_ARGUMENT with the first byte that is not, its place, and the remedy.
[[nodiscard]] Status check_utf8(std::string_view line);

/// `text` without blanks and '\r' at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

}  // namespace cairn::cli
