#pragma once

#include <map>
#include <string>

namespace cairn {

/// How to read events whose producer has other names, types and times than the contract of an interaction. An empty one
/// changes nothing. Whatever is mapped, an event in the contract's own words is read as well.
struct MappingOptions {
  /// By the name in the events, the contract's field that it is: {"customer_id": "user_id"}. A name with dots leads
  /// into objects ("properties.venue.id") where no member has the whole name. Where an event has both, the name that is
  /// mapped counts, and the contract's own is ignored.
  std::map<std::string, std::string> fields;
  /// By the type in the events, built-in or declared type that it is: {"checkin": "visit"}. Types that are written as
  /// integers are named by their digits.
  std::map<std::string, std::string> types;
  std::string type;  ///< of events that have none; empty: they are refused

  /// What times are, beside RFC 3339: "" or "milliseconds", "seconds", "microseconds", "nanoseconds" since the epoch,
  /// or a pattern of strptime() such as "%d.%m.%Y %H:%M".
  std::string time_format;
  /// Whose clock times without an offset were read from: "Europe/Berlin", "UTC", "+02:00"; empty: such times are
  /// refused.
  std::string time_zone;

  [[nodiscard]] bool empty() const noexcept {
    return fields.empty() && types.empty() && type.empty() && time_format.empty() && time_zone.empty();
  }
};

}  // namespace cairn
