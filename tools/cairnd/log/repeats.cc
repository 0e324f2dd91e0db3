#include "tools/cairnd/log/repeats.h"

namespace cairn::cairnd {

std::optional<LogRecord> RepeatFilter::summary(const Window& window) const {
  if (window.left_out == 0) return std::nullopt;
  LogRecord record = window.last;
  record.message += " (the last of those left out)";
  record.fields.emplace_back("left_out", std::to_string(window.left_out));
  record.fields.emplace_back("left_out_within_ms", std::to_string(options_.window.count()));
  return record;
}

std::vector<LogRecord> RepeatFilter::pass(LogRecord record, Instant now) {
  std::vector<LogRecord> out;
  if (record.level == LogLevel::kDebug) {
    out.push_back(std::move(record));
    return out;
  }
  const std::pair key(record.level, record.event);
  auto found = windows_.find(key);
  if (found != windows_.end() && now - found->second.begin >= options_.window) {
    if (std::optional<LogRecord> closing = summary(found->second)) out.push_back(*std::move(closing));
    windows_.erase(found);
    found = windows_.end();
  }
  if (found == windows_.end() && windows_.size() < options_.events_max) {
    found = windows_.emplace(key, Window{.begin = now, .last = {}}).first;
  }
  if (found != windows_.end() && ++found->second.seen > options_.burst) {
    ++found->second.left_out;
    found->second.last = std::move(record);
  } else {
    out.push_back(std::move(record));
  }
  return out;
}

std::vector<LogRecord> RepeatFilter::expire(Instant now) {
  std::vector<LogRecord> out;
  for (auto it = windows_.begin(); it != windows_.end();) {
    if (now - it->second.begin < options_.window) {
      ++it;
      continue;
    }
    if (std::optional<LogRecord> closing = summary(it->second)) out.push_back(*std::move(closing));
    it = windows_.erase(it);
  }
  return out;
}

}  // namespace cairn::cairnd
