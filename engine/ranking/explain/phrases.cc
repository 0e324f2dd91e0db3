#include "engine/ranking/explain/phrases.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "features/calendar.h"

namespace cairn::ranking {

namespace {

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

}  // namespace

std::string distance_phrase(double meters) {
  // More than 950 m rounds to 1.0 km and more.
  return meters <= 950.0 ? format("%.0f m away", meters) : format("%.1f km away", meters / 1000.0);
}

std::string ago_phrase(double hours) {
  // Minutes to an hour and a half, hours to two days: it never says "0 h" or "1 days".
  if (hours < 1.5) return format("%.0f min ago", std::max(0.0, hours) * 60.0);
  return hours < 48.0 ? format("%.0f h ago", hours) : format("%.0f days ago", hours / 24.0);
}

std::string counted_phrase(std::int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string times_phrase(std::int64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

std::string hour_phrase(EventTime time, std::chrono::minutes ahead) {
  constexpr const char* kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const int hour = features::hour_of_week(time + ahead);
  char text[64];
  std::snprintf(text, sizeof text, "%s %02d h UTC", kDays[hour / 24], hour % 24);
  if (ahead.count() == 0) return text;
  char offset[32];
  const auto minutes = static_cast<int>(std::abs(ahead.count()));
  std::snprintf(offset, sizeof offset, "%c%02d:%02d", ahead.count() < 0 ? '-' : '+', minutes / 60, minutes % 60);
  return std::string(text) + offset;
}

}  // namespace cairn::ranking
