#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::streaming {

/// The lines of a file that is read once, from its beginning to its end: data sets, not streams (see source.h for a
/// file that is followed and resumed). One thread.
class LineReader {
 public:
  virtual ~LineReader() = default;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// Points `*line` at the next line, without its '\n' ('\r' stays); valid until the next call. A last line without
  /// '\n' is a line; an empty line is a line. A byte order mark at the file's beginning is left out.
  /// Returns: true, or false after the last line. DATA_LOSS when gzip data is cut off or damaged, after every whole
  /// line before the damage was delivered; OUT_OF_RANGE for a line longer than the bound; UNAVAILABLE when reading
  /// fails. The reader stays at a failure: the next call fails alike.
  [[nodiscard]] virtual Result<bool> next(std::string_view* line) = 0;

 protected:
  LineReader() = default;
};

/// The longest line open_line_reader() takes unless told otherwise. Memory is used for the longest line met, not for
/// the bound.
inline constexpr std::size_t kLineBytesMax = 64u << 20;

/// Opens a plain or gzip file; which one is told by its first bytes, not by its name. Concatenated gzip members are
/// one content.
/// Returns: NOT_FOUND, FAILED_PRECONDITION when it is no regular file, UNAVAILABLE when it cannot be opened.
[[nodiscard]] Result<std::unique_ptr<LineReader>> open_line_reader(const std::string& path,
                                                                   std::size_t line_bytes_max = kLineBytesMax);

}  // namespace cairn::streaming
