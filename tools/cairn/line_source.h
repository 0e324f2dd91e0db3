#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "streaming/line_reader.h"

namespace cairn::cli {

/// The lines of a file (plain or gzip) or of standard input, counted, without '\r' and without blank ones. A byte order
/// mark at the beginning is left out. One thread.
class LineSource {
 public:
  /// "-" is standard input. Returns: what open_line_reader returns.
  [[nodiscard]] static Result<LineSource> open(const std::string& path);

  /// Points `*line` at the next line, valid until the next call. Returns: true, or false after the last one.
  [[nodiscard]] Result<bool> next(std::string_view* line);
  /// Number of the line that `next` gave, from 1, blank ones counted.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

 private:
  LineSource() = default;
  [[nodiscard]] Result<bool> next_raw(std::string_view* line);

  std::unique_ptr<streaming::LineReader> reader_;  // null: standard input
  std::string buffer_;
  std::uint64_t number_ = 0;
};

}  // namespace cairn::cli
