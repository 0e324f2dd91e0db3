#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "tools/cairn/csv.h"
#include "tools/cairn/line_source.h"

namespace cairn::cli {

/// The places of a file as JSON, one at a time. CSV is told from NDJSON by the first line. One thread.
class PlaceSource {
 public:
  /// "-" is standard input. Returns: what LineSource::open() returns.
  [[nodiscard]] static Result<PlaceSource> open(const std::string& path);

  /// The next place in `*json`, or false after the last.
  /// Returns: what LineSource and PlaceCsv return.
  Result<bool> next(std::string* json);
  /// The line at which the last place began.
  [[nodiscard]] std::uint64_t first_line() const noexcept { return first_line_; }

 private:
  explicit PlaceSource(LineSource lines) : lines_(std::move(lines)) {}
  Result<bool> next_line(std::string_view* line);

  LineSource lines_;
  bool started_ = false;
  std::optional<PlaceCsv> csv_;
  std::uint64_t first_line_ = 1;
};

}  // namespace cairn::cli
