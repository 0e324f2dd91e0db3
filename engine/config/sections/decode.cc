#include <cstdint>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

Section decode_section() {
  return {"decode",
          "What is accepted from a stream. Everything else goes to the dead letters with its reason.",
          {
              make_key<Config>(
                  CAIRN_AT(engine.decode.event_bytes_max),
                  {.name = "event_max", .type = KeyType::kSize, .doc = "Longest event.", .min = 256, .max = 16 * kMiB}),
              make_key<Config>(CAIRN_AT(engine.decode.future_max),
                               {.name = "future_max",
                                .type = KeyType::kDuration,
                                .doc = "An event whose time is further ahead of the clock is impossible.",
                                .min = kHour,
                                .max = 365 * kDay,
                                .whole_ms = static_cast<std::int64_t>(kHour)}),
              make_key<Config>(CAIRN_AT(engine.decode.time_min),
                               {.name = "time_min",
                                .type = KeyType::kDate,
                                .doc = "An event from before this day (UTC) is impossible.",
                                .min = 0,
                                .max = 47'482}),  // 2100-01-01
              make_key<Config>(
                  CAIRN_AT(engine.decode.dedup_ids),
                  {.name = "dedup_ids",
                   .type = KeyType::kInteger,
                   .doc = "How many event_ids are remembered, in the order they came; 22 to 43 bytes of memory each. "
                          "A repeat changes nothing while at most half as many newer ids have come, and counts "
                          "when as many have.",
                   .min = 1'000,
                   .max = 1'000'000'000}),
          }};
}

}  // namespace cairn::config
