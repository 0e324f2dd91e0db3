#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

/// Rows are stored under the name, and it stands in URLs and in TOML keys, so it is plain.
std::string view_name_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 63, "a", "a0_")) return {};
  return quoted(name) + " must have 1 to 63 characters, lower-case letters, digits and '_', the first one a letter";
}

std::vector<Key<FeatureViewSpec>> view_shape_keys() {
  using Spec = FeatureViewSpec;
  return {
      make_key<Spec>(CAIRN_AT(name), {.name = "name",
                                      .type = KeyType::kText,
                                      .doc = "Name of the view, unique.",
                                      .example = "\"user_place_affinity\"",
                                      .required = true,
                                      .complaint = view_name_complaint}),
      make_choice<Spec>(CAIRN_AT(entity),
                        std::vector<std::pair<std::string, EntityKind>>{
                            {"user", EntityKind::kUser}, {"place", EntityKind::kPlace}, {"cell", EntityKind::kCell}},
                        {.name = "entity", .doc = "What a row describes. A cell is a geohash."}),
      make_choice<Spec>(CAIRN_AT(dimension),
                        std::vector<std::pair<std::string, Dimension>>{{"none", Dimension::kNone},
                                                                       {"place", Dimension::kPlace},
                                                                       {"category", Dimension::kCategory},
                                                                       {"cell", Dimension::kCell},
                                                                       {"hour_of_week", Dimension::kHourOfWeek},
                                                                       {"type", Dimension::kType},
                                                                       {"hour", Dimension::kHour}},
                        {.name = "dimension", .doc = "What the values are spread over.", .example = "\"place\""}),
      make_choice<Spec>(CAIRN_AT(aggregate),
                        std::vector<std::pair<std::string, Aggregate>>{{"count", Aggregate::kCount},
                                                                       {"sum", Aggregate::kSum},
                                                                       {"mean", Aggregate::kMean},
                                                                       {"min", Aggregate::kMin},
                                                                       {"max", Aggregate::kMax},
                                                                       {"last", Aggregate::kLast},
                                                                       {"decayed_sum", Aggregate::kDecayedSum},
                                                                       {"sequence", Aggregate::kSequence}},
                        {.name = "aggregate", .doc = "How events become one value.", .example = "\"decayed_sum\""}),
  };
}

std::vector<Key<FeatureViewSpec>> view_bound_keys() {
  using Spec = FeatureViewSpec;
  // Stored rows count in seconds.
  constexpr auto kWholeSeconds = static_cast<std::int64_t>(kSecond);
  return {
      make_key<Spec>(CAIRN_AT(half_life),
                     {.name = "half_life",
                      .type = KeyType::kDuration,
                      .doc = "With decayed_sum, and only there: time after which an event counts half.",
                      .min = kSecond,
                      .max = 36'500 * kDay,
                      .example = "\"30d\"",
                      .whole_ms = kWholeSeconds}),
      make_key<Spec>(CAIRN_AT(ttl), {.name = "ttl",
                                     .type = KeyType::kDuration,
                                     .doc = "An entry whose newest event is older is not served. 0s: never expires.",
                                     .min = 0,
                                     .max = 36'500 * kDay,
                                     .example = "\"365d\"",
                                     .whole_ms = kWholeSeconds}),
      make_key<Spec>(CAIRN_AT(max_entries), {.name = "max_entries",
                                             .type = KeyType::kInteger,
                                             .doc = "Most entries per entity; those with the newest events stay.",
                                             .min = 1,
                                             .max = 65'536,
                                             .example = "512"}),
      make_key<Spec>(CAIRN_AT(cell_precision), {.name = "cell_precision",
                                                .type = KeyType::kInteger,
                                                .doc = "Letters of the geohash where entity or dimension is a cell.",
                                                .min = 1,
                                                .max = 12,
                                                .in_example = false}),
  };
}

}  // namespace

RecordTable<FeatureViewSpec> make_view_table() {
  RecordTable<FeatureViewSpec> table{
      "feature_view",
      "A set of features kept beside the built-in ones. Give one such table per view. A view begins empty, with the "
      "events that come after the start that first had it; so does one whose entity, dimension, aggregate, half_life, "
      "cell_precision or events have changed.",
      view_shape_keys(),
      {"# Which types count and how much: arithmetic over the event's value, or a list of types that count 1 each.",
       "# Without it every type counts 1.", "#events = { visit = \"1\", save = \"3\", rate = \"value - 2.5\" }"}};
  for (Key<FeatureViewSpec>& key : view_bound_keys()) table.keys.push_back(std::move(key));
  return table;
}

}  // namespace cairn::config
