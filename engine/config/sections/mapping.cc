#include <string>

#include "engine/config/sections/sections.h"

namespace cairn::config {

Section mapping_section() {
  return {"mapping",
          "Events whose producer has other names, types and times than Cairn: from files, topics and the API alike. "
          "Events in Cairn's own words are read beside them.",
          {
              make_key<Config>(CAIRN_AT(engine.decode.mapping.type), {.name = "type",
                                                                      .type = KeyType::kText,
                                                                      .doc = "Type of events that have none. Empty: "
                                                                             "they are refused.",
                                                                      .example = "\"visit\""}),
              make_key<Config>(CAIRN_AT(engine.decode.mapping.time_format),
                               {.name = "time_format",
                                .type = KeyType::kText,
                                .doc = "What times are beside RFC 3339: milliseconds since 1970 unless seconds, "
                                       "microseconds or nanoseconds; or a pattern (strptime), with %z or a "
                                       "time_zone.",
                                .example = "\"%d.%m.%Y %H:%M:%S\""}),
              make_key<Config>(CAIRN_AT(engine.decode.mapping.time_zone),
                               {.name = "time_zone",
                                .type = KeyType::kText,
                                .doc = "Whose clock times without an offset were read from: a name such as "
                                       "Europe/Berlin, UTC or +02:00. Of an hour that the clock shows twice in autumn "
                                       "the first is taken, and all of an hour that it leaves out in spring is the "
                                       "instant at which it is set forward. Empty: such times are refused.",
                                .example = "\"Europe/Berlin\""}),
          }};
}

OpenTable mapping_fields_table() {
  return {"mapping",
          kFieldsTable,
          "Which of the events' members is which field (user_id, place_id, type, ts, value, lat, lon, event_id), where "
          "the names differ. A name with dots leads into objects. Where an event has both names, this one counts.",
          {"#customer_id = \"user_id\"", "#venue.id = \"place_id\""}};
}

OpenTable mapping_types_table() {
  return {"mapping",
          kTypesTable,
          "Which of the events' types is which of Cairn's, or of those in [types], where they differ.",
          {"#checkin = \"visit\""}};
}

}  // namespace cairn::config
