#include "engine/config/sections/bounds.h"
#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

// The bounds are wide: they catch a slip of the unit and leave the rest to the machine.
Section state_section() {
  return {
      "state",
      "The state directory: features, offsets, the log of what the API accepted.",
      {
          make_key<Config>(CAIRN_AT(engine.state_dir),
                           {.name = "dir",
                            .type = KeyType::kText,
                            .doc = "Directory; created when absent, used by one process at a time.",
                            .complaint = path_complaint}),
          make_key<Config>(
              CAIRN_AT(engine.state.any_owner),
              {.name = "any_owner",
               .type = KeyType::kBool,
               .doc = "Whether a directory of another user is used as well. That user may not be able to "
                      "open what is written there, so cairnd refuses it, above all when it runs as root."}),
          make_key<Config>(CAIRN_AT(http.checkpoints_dir),
                           {.name = "checkpoints",
                            .type = KeyType::kText,
                            .doc = "Folder that the API's checkpoints are made in; created when absent. Best on the "
                                   "disk of state.dir, where a checkpoint takes little space. Empty: the path of "
                                   "state.dir with \"-checkpoints\" at its end.",
                            .example = "\"/var/lib/cairn-checkpoints\""}),
          make_key<Config>(CAIRN_AT(engine.state.block_cache_bytes), {.name = "block_cache",
                                                                      .type = KeyType::kSize,
                                                                      .doc = "Memory for blocks read from disk.",
                                                                      .min = kMiB,
                                                                      .max = 4 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.state.memtable_bytes),
                           {.name = "memtable",
                            .type = KeyType::kSize,
                            .doc = "Writes collected in memory before they become a file; replayed after a crash.",
                            .min = kMiB,
                            .max = 4 * kGiB}),
          make_key<Config>(CAIRN_AT(engine.state.row_cache_bytes), {.name = "row_cache",
                                                                    .type = KeyType::kSize,
                                                                    .doc = "Memory for decoded rows of features.",
                                                                    .min = kMiB,
                                                                    .max = 4 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.state.batch_events_max), {.name = "batch_events_max",
                                                                     .type = KeyType::kInteger,
                                                                     .doc = "Most events applied in one go.",
                                                                     .min = 1,
                                                                     .max = 1'000'000}),
          make_key<Config>(CAIRN_AT(engine.state.batch_wait_max), {.name = "batch_wait_max",
                                                                   .type = KeyType::kDuration,
                                                                   .doc = "Longest time an event waits for company.",
                                                                   .min = 0,
                                                                   .max = 10 * kSecond}),
          make_key<Config>(CAIRN_AT(engine.state.window),
                           {.name = "window",
                            .type = KeyType::kDuration,
                            .doc = "What was applied is seen at once, and written after this time at most. A longer "
                                   "window writes less, and more is read from the sources again after a crash.",
                            .min = 1,
                            .max = 60 * kSecond}),
          make_key<Config>(CAIRN_AT(engine.state.window_bytes),
                           {.name = "window_memory",
                            .type = KeyType::kSize,
                            .doc = "Changes in memory that make a window be written before its time. Twice as much is "
                                   "taken while one is written and the next one grows.",
                            .min = kMiB,
                            .max = 64 * kGiB}),
          make_key<Config>(CAIRN_AT(engine.state.sync),
                           {.name = "sync",
                            .type = KeyType::kBool,
                            .doc = "Put every window on the disk before going on. false: after a power failure the "
                                   "last seconds are read from the sources again."}),
          make_key<Config>(CAIRN_AT(engine.state.free_bytes_min),
                           {.name = "free_min",
                            .type = KeyType::kSize,
                            .doc = "Ingest pauses while the disk has less free space than this.",
                            .min = 0,
                            .max = 64 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.event_log_segment_bytes),
                           {.name = "event_log_segment",
                            .type = KeyType::kSize,
                            .doc = "Size at which the log of accepted events begins a new file. As much of it stays, "
                                   "the newest, when everything has taken it in: corrections look events up there.",
                            .min = kMiB,
                            .max = 4 * kGiB}),
          make_key<Config>(CAIRN_AT(engine.idempotency.calls_max),
                           {.name = "idempotency_keys",
                            .type = KeyType::kInteger,
                            .doc = "How many requests are known by their Idempotency-Key, the newest ones; 150 bytes "
                                   "of memory each. A repeat of one of them takes nothing.",
                            .min = 1'000,
                            .max = 10'000'000}),
          make_key<Config>(CAIRN_AT(engine.idempotency.age_max), {.name = "idempotency_age",
                                                                  .type = KeyType::kDuration,
                                                                  .doc = "And for how long they are known at most.",
                                                                  .min = kHour,
                                                                  .max = 365 * kDay,
                                                                  .whole_ms = static_cast<std::int64_t>(kHour)}),
      }};
}

}  // namespace cairn::config
