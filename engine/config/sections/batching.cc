#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

Section batching_section() {
  return {"batching",
          "Questions of all connections that come at the same time are scanned together.",
          {
              make_key<Config>(CAIRN_AT(engine.batching.size),
                               {.name = "size",
                                .type = KeyType::kInteger,
                                .doc = "Most questions of one scan. Nobody waits for a batch to fill: while one scan "
                                       "runs, the questions of the next one gather. 1: each question is scanned alone.",
                                .min = 1,
                                .max = 1024}),
              make_key<Config>(CAIRN_AT(engine.batching.at_once),
                               {.name = "at_once",
                                .type = KeyType::kInteger,
                                .doc = "Scans that run at the same time. 0: one for each processor, or two of a "
                                       "CUDA device.",
                                .min = 0,
                                .max = 1024}),
              make_key<Config>(CAIRN_AT(engine.batching.queue),
                               {.name = "queue",
                                .type = KeyType::kInteger,
                                .doc = "Most questions that wait for a scan. Those beyond are refused at once (503, "
                                       "Retry-After), and so are those that would still wait at their deadline.",
                                .min = 1,
                                .max = 1'000'000}),
          }};
}

}  // namespace cairn::config
