#include "streaming/zone.h"

#include <optional>
#include <string_view>

#include "cairn/rfc3339.h"

#if defined(CAIRN_HAS_TIME_ZONES)
#include <date/tz.h>

#include <exception>
#endif

namespace cairn::streaming {
namespace {

using std::chrono::milliseconds;

/// A clock that is always as far ahead of UTC.
class FixedZone final : public Zone {
 public:
  explicit FixedZone(std::chrono::minutes ahead) : ahead_(ahead) {}
  [[nodiscard]] EventTime to_utc(std::chrono::local_time<milliseconds> local) const override {
    return EventTime(local.time_since_epoch() - ahead_);
  }
  [[nodiscard]] std::chrono::local_time<milliseconds> to_local(EventTime time) const override {
    return std::chrono::local_time<milliseconds>(time.time_since_epoch() + ahead_);
  }

 private:
  const std::chrono::minutes ahead_;
};

/// "Z", "UTC", "+02:00" or "+0200".
std::optional<std::chrono::minutes> offset_of(std::string_view name) {
  if (name == "UTC" || name == "Z" || name == "GMT") return std::chrono::minutes{0};
  if (!name.starts_with('+') && !name.starts_with('-')) return std::nullopt;
  std::string text(name);
  if (text.size() == 5) text.insert(3, ":");
  rfc3339::Cursor in(text);
  const std::chrono::minutes ahead = rfc3339::read_zone(in);
  return in.done() ? std::optional(ahead) : std::nullopt;
}

#if defined(CAIRN_HAS_TIME_ZONES)
class NamedZone final : public Zone {
 public:
  explicit NamedZone(const date::time_zone* zone) : zone_(zone) {}
  [[nodiscard]] EventTime to_utc(std::chrono::local_time<milliseconds> local) const override {
    const date::local_time<milliseconds> shown{local.time_since_epoch()};
    return EventTime(zone_->to_sys(shown, date::choose::earliest).time_since_epoch());
  }
  [[nodiscard]] std::chrono::local_time<milliseconds> to_local(EventTime time) const override {
    const date::sys_time<milliseconds> at{time.time_since_epoch()};
    return std::chrono::local_time<milliseconds>(zone_->to_local(at).time_since_epoch());
  }

 private:
  const date::time_zone* const zone_;  ///< of the database, which lives as long as the process
};

std::shared_ptr<const Zone> named(const std::string& name) {
  try {
    return std::make_shared<NamedZone>(date::locate_zone(name));
  } catch (const std::exception&) {
    return nullptr;
  }
}

constexpr const char* kRemedy = "; name one like Europe/Berlin (`ls /usr/share/zoneinfo` has them), UTC or +02:00";
#else
std::shared_ptr<const Zone> named(const std::string&) { return nullptr; }

constexpr const char* kRemedy =
    "; this build knows no names of time zones (libhowardhinnant-date-dev was not there when it was built): write UTC "
    "or an offset such as +02:00";
#endif

}  // namespace

Result<std::shared_ptr<const Zone>> Zone::find(const std::string& name) {
  if (const auto ahead = offset_of(name)) return std::shared_ptr<const Zone>(std::make_shared<FixedZone>(*ahead));
  if (auto zone = named(name)) return zone;
  return invalid_argument("'" + name + "' is no time zone" + kRemedy);
}

}  // namespace cairn::streaming
