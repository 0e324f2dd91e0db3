#include "bench/ingest/data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "bench/ingest/child.h"
#include "bench/ingest/measure.h"
#include "engine/learning/datasets/city.h"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKnownMax = 64;
constexpr std::size_t kHistoryMax = 512;  // of the view user_history

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, '\t');) fields.push_back(field);
  return fields;
}

double number(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string exact(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

using Counts = std::map<std::string, Known>;

/// The busiest one, and others at equal distances in the order of their ids.
std::vector<Known> sample(const Counts& counts) {
  std::vector<Known> chosen;
  const auto busier = [](const auto& a, const auto& b) { return a.second.visits < b.second.visits; };
  chosen.push_back(std::max_element(counts.begin(), counts.end(), busier)->second);
  const std::size_t step = std::max<std::size_t>(counts.size() / kKnownMax, 1);
  std::size_t index = 0;
  for (const auto& [id, known] : counts) {
    if (index++ % step == 0) chosen.push_back(known);
  }
  return chosen;
}

void write_known(const std::string& path, const std::vector<Interaction>& events) {
  Counts users;
  Counts places;
  const InteractionTypes types;
  const TypeIndex visit = *types.find("visit");
  const TypeIndex rate = *types.find("rate");
  const auto count = [&](const std::string& id, TypeIndex type, Counts* counts) {
    Known& known = (*counts)[id];
    known.id = id;
    ++known.events;
    known.visits += type == visit || type == rate;
  };
  for (const Interaction& event : events) {
    count(event.user.str(), event.type, &users);
    count(event.place.str(), event.type, &places);
  }
  std::ofstream out(path);
  for (const Known& k : sample(users)) out << "user\t" << k.id << '\t' << k.events << '\t' << k.visits << '\n';
  for (const Known& k : sample(places)) out << "place\t" << k.id << '\t' << k.events << '\t' << k.visits << '\n';
  CAIRN_CHECK(out.flush().good());
}

/// Gives so many of every hundred events, spread evenly, to the user and the place of the first.
void heat(std::size_t percent, std::vector<Interaction>* events) {
  for (std::size_t i = 1; i < events->size(); ++i) {
    if (i * percent / 100 == (i - 1) * percent / 100) continue;
    (*events)[i].user = events->front().user;
    (*events)[i].place = events->front().place;
  }
}

void write_places(const std::string& path, const std::vector<Place>& places) {
  std::ofstream out(path);
  for (const Place& place : places) {
    out << place.id.str() << '\t' << place.name << '\t' << exact(place.position.lat) << '\t'
        << exact(place.position.lon) << '\t' << place.category << '\n';
  }
  CAIRN_CHECK(out.flush().good());
}

void read_known(Data* data) {
  std::ifstream in(data->known_path);
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> fields = fields_of(line);
    CAIRN_CHECK(fields.size() == 4);
    const Known known{fields[1], std::stoul(fields[2]), std::stoul(fields[3])};
    (fields[0] == "user" ? data->users : data->places).push_back(known);
  }
  CAIRN_CHECK(!data->users.empty() && !data->places.empty());
}

Data paths_of(const std::string& folder, const DataSize& size) {
  const std::string stem = folder + "/city-" + std::to_string(size.events) + "-" + std::to_string(size.users) + "-" +
                           std::to_string(size.places) +
                           (size.hot_percent > 0 ? "-hot" + std::to_string(size.hot_percent) : "");
  Data data;
  data.size = size;
  data.events_path = stem + ".ndjson";
  data.places_path = stem + ".places.tsv";
  data.known_path = stem + ".known.tsv";
  return data;
}

}  // namespace

std::string label(const DataSize& size) {
  return " events=" + std::to_string(size.events) + " users=" + std::to_string(size.users) +
         " places=" + std::to_string(size.places) +
         (size.hot_percent > 0 ? " hot=" + std::to_string(size.hot_percent) + "%" : "");
}

std::vector<Place> Data::read_places() const {
  std::vector<Place> all;
  all.reserve(size.places);
  std::ifstream in(places_path);
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> fields = fields_of(line);
    CAIRN_CHECK(fields.size() == 5);
    all.push_back({PlaceId(fields[0]), fields[1], {number(fields[2]), number(fields[3])}, fields[4]});
  }
  CAIRN_CHECK(all.size() == size.places);
  return all;
}

Data make_data(const std::string& folder, const DataSize& size) {
  Data data = paths_of(folder, size);
  fs::create_directories(folder);
  // The events are written last and appear under their name when they are whole: where they are, all is.
  if (!fs::exists(data.events_path)) {
    static_cast<void>(run_child("make-data", {folder, std::to_string(size.events), std::to_string(size.users),
                                              std::to_string(size.places), std::to_string(size.hot_percent)}));
  }
  data.bytes = fs::file_size(data.events_path);
  read_known(&data);
  return data;
}

int make_data_files(const std::vector<std::string>& arguments) {
  CAIRN_CHECK(arguments.size() == 5);
  datasets::CityOptions city;
  city.events = std::stoul(arguments[1]);
  city.users = std::stoul(arguments[2]);
  city.places = std::stoul(arguments[3]);
  const std::size_t hot_percent = std::stoul(arguments[4]);
  datasets::Dataset dataset = must(datasets::generate_city(city));
  heat(hot_percent, &dataset.interactions);
  const Data data = paths_of(arguments[0], {city.events, city.users, city.places, hot_percent});
  write_places(data.places_path, dataset.places);
  write_known(data.known_path, dataset.interactions);
  must(datasets::write_interactions_ndjson(data.events_path, dataset.interactions));
  return 0;
}

void add_places(Engine& engine, const std::vector<Place>& places) {
  constexpr std::size_t kAtOnce = 10'000;
  for (std::size_t at = 0; at < places.size(); at += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, places.size() - at);
    must(engine.upsert_places({}, std::span(places).subspan(at, count)));
  }
}

void check_answers(const Engine& engine, const Data& data) {
  const EngineStatus status = engine.status({});
  CAIRN_CHECK_MSG(status.events_applied == data.size.events,
                  std::to_string(status.events_applied) + " applied of " + std::to_string(data.size.events));
  const auto vectors = [&](EntityKind kind, const std::vector<Known>& known, const char* view) {
    FeatureRequest request{.entity = kind, .keys = {}, .views = {view}, .as_of = {}};
    for (const Known& one : known) request.keys.push_back(one.id);
    return must(engine.get_features({}, request)).entities;
  };
  const auto histories = vectors(EntityKind::kUser, data.users, "user_history");
  for (std::size_t i = 0; i < histories.size(); ++i) {
    const std::size_t expected = std::min(data.users[i].visits, kHistoryMax);
    CAIRN_CHECK_MSG(histories[i].vectors.at(0).entries.size() == expected, data.users[i].id);
  }
  const auto visits = vectors(EntityKind::kPlace, data.places, "place_visits");
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const auto& entries = visits[i].vectors.at(0).entries;
    const double counted = entries.empty() ? 0.0 : entries[0].value;
    CAIRN_CHECK_MSG(counted == static_cast<double>(data.places[i].visits), data.places[i].id);
  }
}

}  // namespace cairn::bench
