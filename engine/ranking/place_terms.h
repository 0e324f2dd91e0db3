#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "cairn/clock.h"
#include "features/attribute_rules.h"
#include "features/opening_hours.h"

namespace cairn::ranking {

/// What the clocks of a time zone show at an instant. Threads: any.
using LocalClock = std::function<std::chrono::local_time<std::chrono::milliseconds>(EventTime)>;

/// The minute that a clock shows.
[[nodiscard]] inline features::LocalMinute minute_of(const LocalClock& clock, EventTime time) {
  return std::chrono::floor<std::chrono::minutes>(clock(time));
}

/// PlaceOptions, ready to be used.
struct PlaceTerms {
  features::AttributeRules attributes = features::AttributeRules();
  features::Holidays holidays = {};
  /// Of places without a time zone of their own, and of rules.
  LocalClock clock = [](EventTime time) {
    return std::chrono::local_time<std::chrono::milliseconds>(time.time_since_epoch());
  };
  /// By the name of a time zone; what it returns is empty for an unknown one. Empty: none is known.
  std::function<LocalClock(const std::string& zone)> find_clock = {};
};

}  // namespace cairn::ranking
