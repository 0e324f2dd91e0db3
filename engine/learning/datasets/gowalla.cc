#include <unordered_set>

#include "engine/learning/datasets/text_fields.h"
#include "engine/learning/datasets/traces.h"

namespace cairn::datasets {
namespace {

using text::Fault;

constexpr TypeIndex kVisit{2};
constexpr char kSubfolder[] = "gowalla_nyc";

Status read_venues(const std::string& path, Dataset* dataset) {
  std::vector<std::string_view> fields;
  return text::for_each_line(path, [&](std::size_t, std::string_view line) -> Fault {
    text::split(line, '\t', &fields);
    if (fields.size() != 4) return "has " + std::to_string(fields.size()) + " columns, not 4 (id, name, lat, lng)";
    Place place;
    std::string id;
    if (Fault fault = text::parse_id("place", fields[0], &id); !fault.empty()) return fault;
    if (Fault fault = text::parse_position(fields[2], fields[3], &place.position); !fault.empty()) return fault;
    place.id = PlaceId(std::move(id));
    if (Fault fault = text::parse_text("name", fields[1], &place.name); !fault.empty()) return fault;
    dataset->places.push_back(std::move(place));
    return {};
  });
}

Status read_events(const std::string& path, Dataset* dataset) {
  std::vector<std::string_view> fields;
  return text::for_each_line(path, [&](std::size_t, std::string_view line) -> Fault {
    text::split(line, '\t', &fields);
    if (fields.size() != 5) {
      return "has " + std::to_string(fields.size()) + " columns, not 5 (user, time, lat, lng, place)";
    }
    std::string user, place;
    EventTime time;
    GeoPoint position;
    if (Fault fault = text::parse_id("user", fields[0], &user); !fault.empty()) return fault;
    if (Fault fault = text::parse_time(fields[1], &time); !fault.empty()) return fault;
    if (Fault fault = text::parse_position(fields[2], fields[3], &position); !fault.empty()) return fault;
    if (Fault fault = text::parse_id("place", fields[4], &place); !fault.empty()) return fault;
    dataset->interactions.push_back({.user = UserId(std::move(user)),
                                     .place = PlaceId(std::move(place)),
                                     .type = kVisit,
                                     .time = time,
                                     .value = std::nullopt,
                                     .position = position,
                                     .event_id = {}});
    return {};
  });
}

/// Adds the places that only events know, in the order of their earliest event. Requires: events in time order.
void add_places_of_events(Dataset* dataset) {
  std::unordered_set<PlaceId> known;
  for (const Place& place : dataset->places) known.insert(place.id);
  for (const Interaction& event : dataset->interactions) {
    if (known.insert(event.place).second) {
      dataset->places.push_back({.id = event.place, .name = {}, .position = *event.position, .category = {}});
    }
  }
}

}  // namespace

Result<Dataset> load_gowalla(const std::string& dir) {
  Dataset dataset{.name = "gowalla", .places = {}, .interactions = {}};
  const auto events = text::find_file(
      dir, kSubfolder,
      {"events.tsv.gz", "events.tsv", "loc-gowalla_totalCheckins.txt.gz", "loc-gowalla_totalCheckins.txt"});
  const auto venues = text::find_file(dir, kSubfolder, {"venues.tsv.gz", "venues.tsv"});
  if (!events) {
    return not_found("no Gowalla trace in '" + dir + "' or its folder " + kSubfolder +
                     ": looked for events.tsv[.gz] and loc-gowalla_totalCheckins.txt[.gz]");
  }
  if (venues) CAIRN_RETURN_IF_ERROR(read_venues(*venues, &dataset));
  CAIRN_RETURN_IF_ERROR(read_events(*events, &dataset));
  sort_by_time(&dataset.interactions);
  add_places_of_events(&dataset);
  return dataset;
}

}  // namespace cairn::datasets
