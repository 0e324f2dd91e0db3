#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/log.h"

namespace cairn::cairnd {

/// A log record that owns its texts.
struct LogRecord {
  EventTime time;
  LogLevel level = LogLevel::kInfo;
  std::string event;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};

[[nodiscard]] std::string_view level_name(LogLevel level) noexcept;

/// "2026-11-21T03:02:09.123Z info source.rotated: message key=value". One line, without its end, whatever the texts
/// hold: control characters are escaped, values with blanks or quotes are quoted.
[[nodiscard]] std::string format_text(const LogRecord& record);

/// The same for the journal, which keeps the time itself: "<6>source.rotated: message key=value", the number being
/// the priority of syslog (sd-daemon(3)).
[[nodiscard]] std::string format_journal(const LogRecord& record);

/// {"time":"...","level":"info","event":"source.rotated","message":"...","key":"value"}. Valid UTF-8 whatever the texts
/// hold; a field that would hide one of the first four is called "field_<key>".
[[nodiscard]] std::string format_json(const LogRecord& record);

}  // namespace cairn::cairnd
