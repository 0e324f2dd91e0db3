#include <string>

#include "engine/config/sections/sections.h"

namespace cairn::config {

Section reasons_section() {
  return {"reasons",
          "How answers say why a place is recommended.",
          {
              make_key<Config>(CAIRN_AT(engine.ranking.reasons.time_zone),
                               {.name = "time_zone",
                                .type = KeyType::kText,
                                .doc = "Whose clock sentences speak by: a name such as Europe/Berlin, UTC or +02:00.",
                                .example = "\"Europe/Berlin\""}),
              make_key<Config>(CAIRN_AT(engine.ranking.reasons.language),
                               {.name = "language",
                                .type = KeyType::kText,
                                .doc = "Language of requests that ask for none that there is: en, or one of "
                                       "[reasons.templates].",
                                .example = "\"de\""}),
          }};
}

OpenTable reasons_templates_table() {
  return {
      "reasons",
      kTemplatesTable,
      "Sentences in other languages, or other sentences in English, by language and by what is said. {count} and the "
      "like stand for what belongs there; engine/ranking/explain/sentences.md has all of them with their English "
      "text. What a language lacks is said in English.",
      {"#de.visited = \"du warst schon {count} Mal hier\"", "#de.visited_once = \"du warst schon einmal hier\""}};
}

}  // namespace cairn::config
