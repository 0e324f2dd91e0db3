#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// One field of a structured log record. Values are text already: a record is for people and their log search.
struct LogField {
  std::string_view key;
  std::string value;
};

/// Where log records go. The host decides (cairnd writes journald-friendly lines or JSON); the default is silence.
/// Must be callable from any thread and must not block for long.
///
/// `event` is a stable identifier of the message ("source.rotated"), `message` a sentence.
using LogSink = std::function<void(LogLevel level, std::string_view event, std::string_view message,
                                   std::initializer_list<LogField> fields)>;

/// A LogSink that may be empty, with a method per level. Copyable, cheap to pass.
class Logger {
 public:
  Logger() = default;
  explicit Logger(LogSink sink) : sink_(std::move(sink)) {}

  void debug(std::string_view event, std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (sink_) sink_(LogLevel::kDebug, event, message, fields);
  }
  void info(std::string_view event, std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (sink_) sink_(LogLevel::kInfo, event, message, fields);
  }
  void warning(std::string_view event, std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (sink_) sink_(LogLevel::kWarning, event, message, fields);
  }
  void error(std::string_view event, std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (sink_) sink_(LogLevel::kError, event, message, fields);
  }

 private:
  LogSink sink_;
};

}  // namespace cairn
