#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

constexpr double kEarthRadiusesHalf = 20'040'000;  // meters: half of Earth's circumference, the largest distance

}  // namespace

Section ranking_section() {
  return {
      "ranking",
      "How places are chosen and scored.",
      {
          make_key<Config>(CAIRN_AT(engine.ranking.ranker_dir),
                           {.name = "ranker",
                            .type = KeyType::kText,
                            .doc = "Directory of a ranker: the numbers that places are scored with, as `cairn train "
                                   "--kind ranker` writes them. Read at the start, and again at SIGHUP, where "
                                   "the one before stays in force if this one is broken. Empty: those that Cairn "
                                   "ships with.",
                            .example = "\"/etc/cairn/ranker\"",
                            .live = true}),
          make_key<Config>(CAIRN_AT(engine.ranking.radius_meters_default),
                           {.name = "radius_default",
                            .type = KeyType::kDistance,
                            .doc = "Radius of a request that names none.",
                            .min = 1,
                            .max = kEarthRadiusesHalf}),
          make_key<Config>(CAIRN_AT(engine.ranking.radius_meters_max), {.name = "radius_max",
                                                                        .type = KeyType::kDistance,
                                                                        .doc = "Largest radius of a request.",
                                                                        .min = 1,
                                                                        .max = kEarthRadiusesHalf}),
          make_key<Config>(CAIRN_AT(engine.ranking.limit_max), {.name = "limit_max",
                                                                .type = KeyType::kInteger,
                                                                .doc = "Most places in one answer.",
                                                                .min = 1,
                                                                .max = 10'000}),
          make_key<Config>(CAIRN_AT(engine.ranking.candidates_max),
                           {.name = "candidates_max",
                            .type = KeyType::kInteger,
                            .doc = "Most places scored for one answer; beyond, the nearest ones are.",
                            .min = 1,
                            .max = 1'000'000'000}),
      }};
}

OpenTable ranking_weights_table() {
  return {"ranking",
          kWeightsTable,
          "The score of a place is the sum of weight * ranking feature. A weight that stands here takes the place of "
          "the ranker's; all others stay, and so does what the ranker's network adds. With defaults = false the "
          "weights that stand here are the only ones, and no network takes part. A weight is from -1e6 to 1e6. "
          "GET /v1/ranking-features has the names, and what weighs how much.",
          {"#distance = -1.2", "#defaults = false"}};
}

}  // namespace cairn::config
