#include "engine/learning/datasets/city.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <set>


using namespace cairn;
using namespace cairn::datasets;

namespace {

const Dataset& default_city() {
  static const Dataset city = generate_city({}).value();
  return city;
}

/// FNV-1a over every field, so that no change of the city passes unseen. Doubles count by their bits.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte(0);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<unsigned char>(number >> (8 * i)));
  }
  void add(double number) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    add(bits);
  }
  void add(const GeoPoint& point) {
    add(point.lat);
    add(point.lon);
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

std::uint64_t fingerprint(const Dataset& city) {
  Fingerprint print;
  for (const Place& place : city.places) {
    print.add(place.id.str());
    print.add(place.name);
    print.add(place.position);
    print.add(place.category);
  }
  for (const Interaction& event : city.interactions) {
    print.add(event.user.str());
    print.add(event.place.str());
    print.add(std::uint64_t{event.type.value});
    print.add(static_cast<std::uint64_t>(to_ms(event.time)));
    print.add(event.value.value_or(-1.0));
    print.add(event.position.value_or(GeoPoint{}));
    print.add(event.event_id);
  }
  return print.value();
}

template <class Key>
std::vector<double> counts_by(const Dataset& city, const std::function<Key(const Interaction&)>& key) {
  std::map<Key, double> counts;
  for (const Interaction& event : city.interactions) counts[key(event)] += 1.0;
  std::vector<double> sorted;
  for (const auto& [_, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  return sorted;
}

double share_of_top_tenth(const std::vector<double>& counts) {
  double top = 0.0, all = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    all += counts[i];
    if (i < counts.size() / 10) top += counts[i];
  }
  return top / all;
}

/// Slope of log count over log rank between two ranks: about -1 under Zipf's law, 0 when all are equal.
double slope(const std::vector<double>& counts, std::size_t from, std::size_t to) {
  return (std::log(counts[to]) - std::log(counts[from])) /
         (std::log(static_cast<double>(to)) - std::log(static_cast<double>(from)));
}

std::string_view type_of(const Interaction& event) { return InteractionTypes::kBuiltIn[event.type.value]; }

/// Visits of a category by hour of the week, Monday 0:00 to 1:00 local time (UTC+1) first.
std::vector<double> weekly_visits(const Dataset& city, const std::string& category) {
  std::map<PlaceId, std::string> category_of;
  for (const Place& place : city.places) category_of[place.id] = place.category;
  std::vector<double> hours(168, 0.0);
  for (const Interaction& event : city.interactions) {
    if (type_of(event) != "visit" || category_of[event.place] != category) continue;
    const auto local = event.time + std::chrono::hours{1};
    const auto day = std::chrono::floor<std::chrono::days>(local);
    const unsigned weekday = std::chrono::weekday{day}.iso_encoding() - 1;
    const auto hour = static_cast<std::size_t>(std::chrono::floor<std::chrono::hours>(local - day).count());
    hours[weekday * 24 + hour] += 1.0;
  }
  return hours;
}

double sum(const std::vector<double>& hours, std::size_t from, std::size_t to) {
  double total = 0.0;
  for (std::size_t i = from; i < to; ++i) total += hours[i];
  return total;
}

}  // namespace

TEST_CASE("a city has the size it was asked for") {
  const Dataset& city = default_city();
  CHECK(city.places.size() == 3'000);
  CHECK(city.interactions.size() == 200'000);
  CHECK(counts_by<std::string>(city, [](const Interaction& e) { return e.user.str(); }).size() == 2'000);
  const auto odd = generate_city({.seed = 9, .users = 7, .places = 11, .days = 1, .events = 101});
  REQUIRE(odd.ok());
  CHECK(odd->places.size() == 11);
  CHECK(odd->interactions.size() == 101);
  const auto one = generate_city({.seed = 9, .users = 1, .places = 1, .days = 1, .events = 1});
  REQUIRE(one.ok());
  CHECK(one->interactions.size() == 1);
}

TEST_CASE("the same seed makes the same city, down to the last bit") {
  const CityOptions options{.seed = 42, .users = 50, .places = 200, .days = 10, .events = 5'000};
  const auto city = generate_city(options);
  REQUIRE(city.ok());
  CHECK(fingerprint(*city) == fingerprint(*generate_city(options)));
  // Stands for every platform and compiler: when it changes, every published figure over a generated city does.
  CHECK(fingerprint(*city) == 3323604107699499619u);
}

TEST_CASE("another seed makes another city") {
  const auto a = generate_city({.seed = 1, .users = 50, .places = 200, .days = 10, .events = 1'000});
  const auto b = generate_city({.seed = 2, .users = 50, .places = 200, .days = 10, .events = 1'000});
  REQUIRE((a.ok() && b.ok()));
  CHECK(fingerprint(*a) != fingerprint(*b));
}

TEST_CASE("another end moves a city's days, in the span asked for") {
  const EventTime end = std::chrono::sys_days{std::chrono::year{2030} / 6 / 15} + std::chrono::hours{7};
  const auto city = generate_city({.seed = 3, .users = 50, .places = 200, .days = 7, .events = 2'000, .end = end});
  REQUIRE(city.ok());
  CHECK(city->interactions.front().time >= end - std::chrono::days{7});
  CHECK(city->interactions.back().time < end);
}

TEST_CASE("events are in time order, of known users' own and at places of the city") {
  const Dataset& city = default_city();
  std::set<PlaceId> ids;
  std::set<std::string> names;
  for (const Place& place : city.places) {
    CHECK(valid_position(place.position));
    CHECK(!place.category.empty());
    ids.insert(place.id);
    names.insert(place.name);
  }
  CHECK(ids.size() == city.places.size());
  CHECK(names.size() == city.places.size());
  EventTime last{};
  std::size_t strays = 0, disorders = 0;
  for (const Interaction& event : city.interactions) {
    strays += ids.contains(event.place) ? 0 : 1;
    disorders += event.time < last ? 1 : 0;
    last = event.time;
  }
  CHECK(strays == 0);
  CHECK(disorders == 0);
}

TEST_CASE("a few users and a few places have most of the events") {
  const auto users = counts_by<std::string>(default_city(), [](const Interaction& e) { return e.user.str(); });
  const auto places = counts_by<std::string>(default_city(), [](const Interaction& e) { return e.place.str(); });
  CHECK(share_of_top_tenth(users) > 0.35);
  CHECK(share_of_top_tenth(places) > 0.45);
  CHECK(slope(users, 200, 1'000) == doctest::Approx(-1.0).epsilon(0.25));
  CHECK(slope(places, 100, 1'000) < -0.6);
}

TEST_CASE("values and positions are what each type's are") {
  std::map<std::string_view, std::size_t> types;
  for (const Interaction& event : default_city().interactions) {
    ++types[type_of(event)];
    if (type_of(event) == "visit") {
      REQUIRE(event.value);
      CHECK(*event.value > 0.0);
      CHECK(*event.value < 24.0 * 3600.0);
      REQUIRE(event.position);
    } else if (type_of(event) == "rate") {
      REQUIRE(event.value);
      const std::set<double> stars = {1.0, 2.0, 3.0, 4.0, 5.0};
      CHECK(stars.contains(*event.value));
    } else {
      CHECK(!event.value);
    }
    if (event.position) CHECK(valid_position(*event.position));
  }
  for (const std::string_view type : InteractionTypes::kBuiltIn) CHECK(types[type] > 1'000);
}

TEST_CASE("event ids are on a part of the events and never stand twice") {
  std::set<std::string> ids;
  std::size_t with_id = 0;
  for (const Interaction& event : default_city().interactions) {
    if (event.event_id.empty()) continue;
    ++with_id;
    ids.insert(event.event_id);
  }
  CHECK(ids.size() == with_id);
  CHECK(with_id > 80'000);
  CHECK(with_id < 160'000);
}

TEST_CASE("people return to where they have been") {
  std::map<std::pair<std::string, std::string>, std::size_t> visits;
  std::size_t all = 0;
  for (const Interaction& event : default_city().interactions) {
    if (type_of(event) != "visit") continue;
    ++visits[{event.user.str(), event.place.str()}];
    ++all;
  }
  // Three quarters of the check-ins of the Foursquare trace are returns.
  const double returns = 1.0 - static_cast<double>(visits.size()) / static_cast<double>(all);
  CHECK(returns > 0.45);
  CHECK(returns < 0.85);
}

TEST_CASE("each category keeps its hours") {
  const auto offices = weekly_visits(default_city(), "Office");
  CHECK(sum(offices, 0, 120) > 5.0 * sum(offices, 120, 168));
  const auto clubs = weekly_visits(default_city(), "Night Club");
  CHECK(sum(clubs, 5 * 24 + 6, 5 * 24 + 18) == 0.0);
  CHECK(sum(clubs, 120, 168) > sum(clubs, 0, 96));
  const auto coffee = weekly_visits(default_city(), "Coffee Shop");
  CHECK(sum(coffee, 7, 11) > sum(coffee, 19, 23));
}

TEST_CASE("people go to places near them more than to others") {
  const Dataset& city = default_city();
  std::map<PlaceId, GeoPoint> position_of;
  for (const Place& place : city.places) position_of[place.id] = place.position;
  double near = 0.0, any = 0.0;
  std::size_t views = 0;
  for (std::size_t i = 0; i < city.interactions.size(); ++i) {
    const Interaction& event = city.interactions[i];
    if (type_of(event) != "view" || !event.position) continue;
    near += distance_meters(*event.position, position_of[event.place]);
    any += distance_meters(*event.position, city.places[i % city.places.size()].position);
    ++views;
  }
  REQUIRE(views > 10'000);
  CHECK(near < 0.6 * any);
}

TEST_CASE("a size that makes no city is refused with the bounds") {
  for (const CityOptions& options :
       {CityOptions{.users = 0}, CityOptions{.places = 0}, CityOptions{.days = 0}, CityOptions{.events = 0},
        CityOptions{.places = 10'000'001}, CityOptions{.days = 4'000}, CityOptions{.end = EventTime{}}}) {
    const auto city = generate_city(options);
    REQUIRE(!city.ok());
    CHECK(city.status().code() == StatusCode::kInvalidArgument);
    CHECK(city.status().message().find("must be") != std::string::npos);
  }
}
