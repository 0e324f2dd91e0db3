#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/feature_view.h"
#include "cairn/geo.h"
#include "cairn/ids.h"

namespace cairn {

/// What was erased of a user in one place.
struct ErasedPart {
  std::string where;        ///< "features", "event_log", "dead_letters", "answers", "postgres"
  std::string what;         ///< what `count` counts
  std::uint64_t count = 0;  ///< by this call; 0 too where an earlier try had erased it
  bool done = false;        ///< false: it is tried again until it succeeds, also after a restart
  std::string detail;       ///< why it is not done yet
};

/// The receipt of an erasure.
struct ErasureReceipt {
  UserId user;
  EventTime erased_at;      ///< by the engine's clock
  EventTime refused_until;  ///< what sources bring of the user from up to this time is refused from now on
  std::vector<ErasedPart> parts;

  [[nodiscard]] bool complete() const {
    for (const ErasedPart& part : parts) {
      if (!part.done) return false;
    }
    return true;
  }
};

/// What keeps counting, without the person, when a user is erased: for people, a line each.
[[nodiscard]] std::vector<std::string> kept_without_the_person();

/// An event of a user, where it is kept as it came.
struct UserEvent {
  std::string where;  ///< "event_log", "postgres"
  EventTime time;
  std::string place;
  std::string type;
  std::optional<double> value;
  std::optional<GeoPoint> position;
  std::string event_id;  ///< empty: none
  std::string source;
  bool retracts = false;  ///< it took the event of its id back, or was refused because it says something else
};

/// All that is known of a user.
struct UserExport {
  UserId user;
  std::optional<EventTime> refused_until;    ///< the user was erased before
  std::vector<FeatureVector> features;       ///< of every view of users
  std::vector<UserEvent> events;             ///< the same event may be in several places
  std::vector<std::string> refused_records;  ///< in the dead letters: lines of JSON
};

}  // namespace cairn
