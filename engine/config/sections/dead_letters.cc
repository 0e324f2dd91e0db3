#include <cstdint>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

Section dead_letters_section() {
  return {
      "dead_letters",
      "Where events go that cannot be used, one JSON object a line, and how much of them is kept on the disk.",
      {
          make_key<Config>(CAIRN_AT(engine.dead_letter_path),
                           {.name = "path",
                            .type = KeyType::kText,
                            .doc = "The file. Empty: dead-letters.ndjson in the state directory. While it cannot be "
                                   "written, the sources with such events wait: none is lost."}),
          make_key<Config>(CAIRN_AT(engine.dead_letters.file_bytes_max),
                           {.name = "file_max",
                            .type = KeyType::kSize,
                            .doc = "Size at which the file becomes PATH.1, that one PATH.2, and a new one is begun.",
                            .min = 2 * kMiB,
                            .max = 4 * kGiB}),
          make_key<Config>(CAIRN_AT(engine.dead_letters.files_max),
                           {.name = "files_max",
                            .type = KeyType::kInteger,
                            .doc = "Most files, with the one that is written; the oldest is removed.",
                            .min = 1,
                            .max = 1'000}),
          make_key<Config>(CAIRN_AT(engine.dead_letters.age_max),
                           {.name = "age_max",
                            .type = KeyType::kDuration,
                            .doc = "A file that was last written longer ago is removed.",
                            .min = kHour,
                            .max = 3'650 * kDay,
                            .whole_ms = static_cast<std::int64_t>(kHour)}),
          make_key<Config>(CAIRN_AT(engine.dead_letters.kept_per_minute),
                           {.name = "kept_per_minute",
                            .type = KeyType::kInteger,
                            .doc = "How many events of one reason are kept of each minute, whatever comes. All are "
                                   "counted, in the metrics and in the file.",
                            .min = 1,
                            .max = 1'000'000'000}),
          make_key<Config>(CAIRN_AT(engine.dead_letters.then_one_in),
                           {.name = "then_one_in",
                            .type = KeyType::kInteger,
                            .doc = "And then one in so many of that reason and minute. 1: all.",
                            .min = 1,
                            .max = 1'000'000'000}),
      }};
}

}  // namespace cairn::config
