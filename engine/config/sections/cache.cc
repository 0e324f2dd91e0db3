#include <string>
#include <utility>
#include <vector>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

std::vector<std::pair<std::string, Compression>> compression_words() {
  return {{"none", Compression::kNone}, {"lz4", Compression::kLz4}, {"snappy", Compression::kSnappy}};
}

}  // namespace

Section cache_section() {
  return {
      "cache",
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
          make_key<Config>(CAIRN_AT(engine.answers.disk_bytes),
                           {.name = "disk",
                            .type = KeyType::kSize,
                            .doc = "Room on the disk of state.dir for answers that memory has none for; the oldest "
                                   "go first, and all go at a start. 0B: none.",
                            .min = 0,
                            .max = 4 * kTiB}),
          make_choice<Config>(
              CAIRN_AT(engine.answers.disk_compression), compression_words(),
              {.name = "disk_compression", .doc = "How they are made smaller there: \"lz4\", \"snappy\" or \"none\"."}),
          make_key<Config>(CAIRN_AT(engine.answers.shared),
                           {.name = "shared",
                            .type = KeyType::kBool,
                            .doc = "Answers are also kept in PostgreSQL, for other daemons on sql.schema and for "
                                   "later starts. An answer from there was made from the same catalogue, model, "
                                   "ranker and history of the user as this daemon has, and from the same events: "
                                   "daemons that read one topic share theirs. Once events came by its API or from "
                                   "a file a daemon's answers are for itself and its next starts, and none is "
                                   "kept there while rules are in use. Needs sql.dsn and memory."}),
          make_key<Config>(CAIRN_AT(engine.answers.shared_connections),
                           {.name = "shared_connections",
                            .type = KeyType::kInteger,
                            .doc = "Connections that look for answers there, beside one that writes them. While "
                                   "all are busy, or PostgreSQL is gone, answers are computed.",
                            .min = 1,
                            .max = 1000}),
          make_key<Config>(CAIRN_AT(engine.answers.shared_timeout),
                           {.name = "shared_timeout",
                            .type = KeyType::kDuration,
                            .doc = "No answer waits for PostgreSQL for longer.",
                            .min = 1,
                            .max = 60 * kSecond}),
          make_key<Config>(CAIRN_AT(engine.answers.shared_writes_per_second),
                           {.name = "shared_writes",
                            .type = KeyType::kInteger,
                            .doc = "At most so many computed answers a second are written there; the others stay "
                                   "with this daemon, and are counted.",
                            .min = 1,
                            .max = 1'000'000}),
          make_key<Config>(CAIRN_AT(engine.answers.cell_letters),
                           {.name = "cell",
                            .type = KeyType::kInteger,
                            .doc = "Letters of the geohashes to whose centres positions are moved, so that many ask "
                                   "for the same: 5, 4.9 km by 4.9 km; 6, 1.2 km by 0.6 km; 7, 150 m by 150 m; 8, 38 "
                                   "m by 19 m.",
                            .min = 5,
                            .max = 8}),
          make_key<Config>(CAIRN_AT(engine.answers.warm_cells),
                           {.name = "warm_cells",
                            .type = KeyType::kInteger,
                            .doc = "From so many cells of 6 letters, those that are visited most, answers for "
                                   "nobody in particular are computed before they are asked for: one, and one for "
                                   "each of the model's segments. 0: none.",
                            .min = 0,
                            .max = 100'000}),
          make_key<Config>(CAIRN_AT(engine.answers.warm_every),
                           {.name = "warm_every",
                            .type = KeyType::kDuration,
                            .doc = "How often they are computed anew. Beyond ttl some are gone in between.",
                            .min = kSecond,
                            .max = 24 * 3600 * kSecond}),
          make_key<Config>(CAIRN_AT(engine.answers.warm_time), {.name = "warm_time",
                                                                .type = KeyType::kDuration,
                                                                .doc = "A round of it ends after so long, done or not.",
                                                                .min = 1,
                                                                .max = 24 * 3600 * kSecond}),
      }};
}

}  // namespace cairn::config
