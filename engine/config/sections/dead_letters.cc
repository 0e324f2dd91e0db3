#include "engine/config/sections/sections.h"

namespace cairn::config {

Section dead_letters_section() {
  return {"dead_letters",
          "Where events go that cannot be used, one JSON object a line.",
          {
              make_key<Config>(CAIRN_AT(engine.dead_letter_path),
                               {.name = "path",
                                .type = KeyType::kText,
                                .doc = "The file. Empty: dead-letters.ndjson in the state directory."}),
          }};
}

}  // namespace cairn::config
