#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "engine/learning/datasets/text_fields.h"
#include "engine/learning/datasets/traces.h"

namespace cairn::datasets {
namespace {

using text::Fault;

constexpr TypeIndex kVisit{2};
constexpr char kSubset[] = "foursquare_nyc";
constexpr char kPublished[] = "dataset_tsmc2014";  ///< the folder in the published archive

Interaction make_visit(std::string user, std::string place, EventTime time) {
  return {.user = UserId(std::move(user)),
          .place = PlaceId(std::move(place)),
          .type = kVisit,
          .time = time,
          .value = std::nullopt,
          .position = std::nullopt,
          .event_id = {}};
}

/// Splits a line after the header and checks how many fields it has.
Fault read_csv(std::size_t number, std::string_view line, std::string_view header, std::vector<std::string>* fields) {
  if (number == 1) return line == header ? Fault{} : "the header must be '" + std::string(header) + "'";
  if (!text::split_csv(line, fields)) return "a quote is not closed, or text follows it";
  const auto expected = static_cast<std::size_t>(std::count(header.begin(), header.end(), ',')) + 1;
  if (fields->size() == expected) return {};
  return "has " + std::to_string(fields->size()) + " fields, not " + std::to_string(expected);
}

Status read_places(const std::string& path, Dataset* dataset) {
  std::vector<std::string> fields;
  return text::for_each_line(path, [&](std::size_t number, std::string_view line) -> Fault {
    if (Fault fault = read_csv(number, line, "place_id,lat,lon,category", &fields); !fault.empty() || number == 1) {
      return fault;
    }
    Place place;
    std::string id;
    if (Fault fault = text::parse_id("place", fields[0], &id); !fault.empty()) return fault;
    if (Fault fault = text::parse_position(fields[1], fields[2], &place.position); !fault.empty()) return fault;
    place.id = PlaceId(std::move(id));
    if (Fault fault = text::parse_text("category", fields[3], &place.category); !fault.empty()) return fault;
    dataset->places.push_back(std::move(place));
    return {};
  });
}

Status read_checkins(const std::string& path, Dataset* dataset) {
  std::vector<std::string> fields;
  return text::for_each_line(path, [&](std::size_t number, std::string_view line) -> Fault {
    if (Fault fault = read_csv(number, line, "user_id,place_id,timestamp", &fields); !fault.empty() || number == 1) {
      return fault;
    }
    std::string user, place;
    EventTime time;
    if (Fault fault = text::parse_id("user", fields[0], &user); !fault.empty()) return fault;
    if (Fault fault = text::parse_id("place", fields[1], &place); !fault.empty()) return fault;
    if (Fault fault = text::parse_time(fields[2], &time); !fault.empty()) return fault;
    dataset->interactions.push_back(make_visit(std::move(user), std::move(place), time));
    return {};
  });
}

/// A row of the published file: user, venue, category id, category, latitude, longitude, offset, UTC time.
class PublishedRows {
 public:
  Fault take(std::string_view line) {
    text::split(line, '\t', &fields_);
    if (fields_.size() != 8) return "has " + std::to_string(fields_.size()) + " columns, not 8";
    std::string user, id;
    Place place;
    EventTime time;
    if (Fault fault = text::parse_id("user", fields_[0], &user); !fault.empty()) return fault;
    if (Fault fault = text::parse_id("venue", fields_[1], &id); !fault.empty()) return fault;
    if (Fault fault = text::parse_position(fields_[4], fields_[5], &place.position); !fault.empty()) return fault;
    if (Fault fault = text::parse_ctime(fields_[7], &time); !fault.empty()) return fault;
    place.id = PlaceId(id);
    place.category = text::to_utf8(fields_[3]);
    add_place(std::move(place), time);
    interactions_.push_back(make_visit(std::move(user), std::move(id), time));
    return {};
  }

  void move_to(Dataset* dataset) {
    dataset->places = std::move(places_);
    dataset->interactions = std::move(interactions_);
  }

 private:
  /// Keeps the place as the earliest row describes it; rows differ in the last digits of a position.
  void add_place(Place place, EventTime time) {
    const auto [known, inserted] = first_.try_emplace(place.id, First{places_.size(), time});
    if (inserted) {
      places_.push_back(std::move(place));
    } else if (time < known->second.time) {
      known->second.time = time;
      places_[known->second.index] = std::move(place);
    }
  }

  struct First {
    std::size_t index;
    EventTime time;
  };
  std::unordered_map<PlaceId, First> first_;
  std::vector<Place> places_;
  std::vector<Interaction> interactions_;
  std::vector<std::string_view> fields_;
};

Status read_published(const std::string& path, Dataset* dataset) {
  PublishedRows rows;
  CAIRN_RETURN_IF_ERROR(text::for_each_line(path, [&](std::size_t, std::string_view line) { return rows.take(line); }));
  rows.move_to(dataset);
  return ok_status();
}

std::optional<std::string> published(const std::string& dir, const std::string& city) {
  const std::string name = "dataset_TSMC2014_" + city + ".txt";
  const auto beside = text::find_file(dir, kSubset, {name, name + ".gz"});
  return beside ? beside : text::find_file(dir, kPublished, {name, name + ".gz"});
}

/// New York, as the subset where there is one, else as published. Returns: NOT_FOUND where there is neither.
Result<Dataset> load_new_york(const std::string& dir) {
  Dataset dataset{.name = "foursquare", .places = {}, .interactions = {}};
  const auto checkins = text::find_file(dir, kSubset, {"checkins.csv.gz", "checkins.csv"});
  const auto places = text::find_file(dir, kSubset, {"places.csv.gz", "places.csv"});
  const auto whole = published(dir, "NYC");
  if (checkins && places) {
    CAIRN_RETURN_IF_ERROR(read_places(*places, &dataset));
    CAIRN_RETURN_IF_ERROR(read_checkins(*checkins, &dataset));
  } else if (whole) {
    CAIRN_RETURN_IF_ERROR(read_published(*whole, &dataset));
  } else {
    return not_found("");
  }
  return dataset;
}

/// Users are numbered from 1 in each city: the same number is another person.
void name_users_by_city(const std::string& city, Dataset* dataset) {
  for (Interaction& event : dataset->interactions) event.user = UserId(city + "-" + event.user.str());
}

void append(Dataset&& more, Dataset* dataset) {
  std::move(more.places.begin(), more.places.end(), std::back_inserter(dataset->places));
  std::move(more.interactions.begin(), more.interactions.end(), std::back_inserter(dataset->interactions));
}

}  // namespace

Result<Dataset> load_foursquare(const std::string& dir) {
  Result<Dataset> new_york = load_new_york(dir);
  if (!new_york.ok() && new_york.status().code() != StatusCode::kNotFound) return new_york;
  const auto tokyo = published(dir, "TKY");
  if (!new_york.ok() && !tokyo) {
    return not_found("no Foursquare trace in '" + dir + "' or its folders " + kSubset + " and " + kPublished +
                     ": looked for checkins.csv[.gz] with places.csv[.gz], and for dataset_TSMC2014_NYC.txt[.gz] and "
                     "dataset_TSMC2014_TKY.txt[.gz]");
  }
  Dataset dataset{.name = "foursquare", .places = {}, .interactions = {}};
  if (new_york.ok()) dataset = *std::move(new_york);
  if (tokyo) {
    Dataset more{.name = {}, .places = {}, .interactions = {}};
    CAIRN_RETURN_IF_ERROR(read_published(*tokyo, &more));
    if (!dataset.interactions.empty()) {
      name_users_by_city("NYC", &dataset);
      name_users_by_city("TKY", &more);
    }
    append(std::move(more), &dataset);
  }
  sort_by_time(&dataset.interactions);
  return dataset;
}

}  // namespace cairn::datasets
