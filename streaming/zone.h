#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cairn/clock.h"
#include "cairn/status.h"

namespace cairn::streaming {

/// Whose clock a time without an offset was read from. Immutable; any thread.
class Zone {
 public:
  virtual ~Zone() = default;
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  /// The instant at which the zone's clocks showed `local`. Of an hour that they show twice it is the first, and of one
  /// that they leave out the instant at which they leave it out.
  [[nodiscard]] virtual EventTime to_utc(std::chrono::local_time<std::chrono::milliseconds> local) const = 0;

  /// What the zone's clocks show at `time`.
  [[nodiscard]] virtual std::chrono::local_time<std::chrono::milliseconds> to_local(EventTime time) const = 0;

  /// "UTC", "+02:00", or a name of the IANA time zone database, which is the system's.
  /// Returns: INVALID_ARGUMENT for an unknown name.
  [[nodiscard]] static Result<std::shared_ptr<const Zone>> find(const std::string& name);

 protected:
  Zone() = default;
};

}  // namespace cairn::streaming
