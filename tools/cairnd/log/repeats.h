#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/cairnd/log/format.h"

namespace cairn::cairnd {

/// Keeps one event from filling the log: of the records with one event id and level, the first `burst` of a window
/// pass, the others are counted, and one record at the window's end says how many there were. Debug records all pass.
/// One thread at a time.
class RepeatFilter {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  struct Options {
    std::uint64_t burst = 20;
    std::chrono::milliseconds window{10'000};
    std::size_t events_max = 1'024;  ///< watched at a time; further ones pass unwatched
  };

  explicit RepeatFilter(Options options) : options_(options) {}

  /// What is to be written now that `record` has come: a summary of the window before it, the record, both or nothing.
  [[nodiscard]] std::vector<LogRecord> pass(LogRecord record, Instant now);

  /// Summaries of windows that have ended.
  [[nodiscard]] std::vector<LogRecord> expire(Instant now);

 private:
  struct Window {
    Instant begin;
    std::uint64_t seen = 0;
    std::uint64_t left_out = 0;
    LogRecord last;  ///< of those left out
  };
  [[nodiscard]] std::optional<LogRecord> summary(const Window& window) const;

  Options options_;
  std::map<std::pair<LogLevel, std::string>, Window> windows_;
};

}  // namespace cairn::cairnd
