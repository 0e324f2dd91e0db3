#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

Section cache_section() {
  return {"cache",
          "Answers that are kept and given again.",
          {
              make_key<Config>(CAIRN_AT(engine.answers.memory_bytes),
                               {.name = "memory",
                                .type = KeyType::kSize,
                                .doc = "Memory for recommendations that are given again to whoever asks the same. An "
                                       "event of the user, an import and an activation make what is kept outdated at "
                                       "once; what others do shows when it has grown old. 0B: every answer is "
                                       "computed.",
                                .min = 0,
                                .max = 4 * kTiB}),
              make_key<Config>(CAIRN_AT(engine.answers.ttl),
                               {.name = "ttl",
                                .type = KeyType::kDuration,
                                .doc = "No answer is given again for longer, unless it says that it is stale.",
                                .min = 1,
                                .max = 24 * 3600 * kSecond}),
              make_key<Config>(CAIRN_AT(engine.answers.ttl_min),
                               {.name = "ttl_min",
                                .type = KeyType::kDuration,
                                .doc = "What a new answer begins with. It doubles, up to ttl, while the same places "
                                       "come again, and halves when others do.",
                                .min = 1,
                                .max = 24 * 3600 * kSecond}),
              make_key<Config>(CAIRN_AT(engine.answers.stale),
                               {.name = "stale",
                                .type = KeyType::kDuration,
                                .doc = "For so long after that an answer may be given, marked as stale, while it is "
                                       "computed anew. 0s: never.",
                                .min = 0,
                                .max = 24 * 3600 * kSecond}),
          }};
}

}  // namespace cairn::config
