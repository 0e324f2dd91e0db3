#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/interaction.h"

namespace cairn::state::test {

inline Interaction event_of(std::string user, std::string place, std::string_view type, std::int64_t ms,
                            std::optional<double> value, std::string id, bool retracts = false) {
  Interaction one;
  one.user = UserId(std::move(user));
  one.place = PlaceId(std::move(place));
  one.type = *InteractionTypes().find(type);
  one.time = event_time_from_ms(ms);
  one.value = value;
  one.event_id = std::move(id);
  one.retracts = retracts;
  return one;
}

inline Interaction visit(std::string place, std::int64_t ms, std::string id) {
  return event_of("u", std::move(place), "visit", ms, {}, std::move(id));
}

inline Interaction retraction(Interaction event) {
  event.retracts = true;
  return event;
}

}  // namespace cairn::state::test
