// What a shop declares for itself, in answers: attributes that filter, views that rank, a type that counts as another,
// rules, and events that are taken back. A plain model of the shop, beside the programs, says what every score is made
// of.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/system/shop/shop.h"

namespace cairn {
namespace {

using nlohmann::json;
using shop_test::Shop;

constexpr const char* kDeclared = R"(Kauf = "purchase"
Merken = "save"
[types]
declared = ["purchase"]
[types.counts_as]
purchase = { as = "visit", weight = 5 }
[places]
time_zone = "Europe/Berlin"
[[attribute]]
name = "preis"
type = "number"
[[attribute]]
name = "vegan"
type = "boolean"
[[attribute]]
name = "kueche"
type = "list"
[[attribute]]
name = "opening_hours"
type = "hours"
[[feature_view]]
name = "place_sales"
entity = "place"
dimension = "none"
aggregate = "sum"
events = { purchase = "value" }
[[feature_view]]
name = "user_kinds"
entity = "user"
dimension = "category"
aggregate = "count"
events = { purchase = "1", save = "1" }
[[feature_view]]
name = "street_purchases"
entity = "cell"
dimension = "none"
aggregate = "count"
cell_precision = 6
events = { purchase = "1" }
[ranking.weights]
defaults = false
distance = -0.8
popularity = 0.5
[[ranking_feature]]
name = "sold"
view = "place_sales"
transform = "log1p"
weight = 0.4
reason = "{value} sold"
[[ranking_feature]]
name = "kind"
view = "user_kinds"
weight = 0.25
reason = "{value} times of its kind"
[[ranking_feature]]
name = "street"
view = "street_purchases"
transform = "sqrt"
weight = 0.3
reason = "{value} bought in its street"
)";

/// Ten in the morning in Berlin, on a Thursday.
constexpr const char* kThursday = "2024-05-16T08:00:00Z";
constexpr const char* kRules = R"([[rule]]
name = "green"
when = "vegan"
add = 1.5
[[rule]]
name = "not before noon"
when = "category = Bar"
active = "Mo-Fr 06:00-12:00"
effect = "bury"
)";

struct Venue {
  std::string id;
  std::string category;
  double lat;
  std::string preis;  ///< empty: not said
  bool vegan;
  std::set<std::string> kueche;
  std::string hours;
};

const std::vector<Venue>& venues() {
  static const std::vector<Venue> kAll = {
      {"v1", "Kaffee", 52.520, "3.5", true, {"de", "it"}, "Mo-Fr 07:00-18:00"},
      {"v2", "Kaffee", 52.521, "4", false, {"it"}, "Mo-Su 10:30-20:00"},
      {"v3", "Buch", 52.522, "", false, {}, ""},
      {"v4", "Bar", 52.523, "9", true, {"th"}, "We-Su 18:00-02:00"},
  };
  return kAll;
}

std::string venues_csv() {
  std::string text = "Nr;Bezeichnung;Breite;Laenge;Sparte;preis;vegan;kueche;opening_hours\n";
  for (const Venue& v : venues()) {
    std::string dishes;
    for (const std::string& one : v.kueche) dishes += (dishes.empty() ? "" : ";") + one;
    text += v.id + ";Haus " + v.id + ";" + std::to_string(v.lat) + ";13.40;" + v.category + ";" + v.preis + ";" +
            (v.vegan ? "yes" : "no") + ";\"" + dishes + "\";\"" + v.hours + "\"\n";
  }
  return text;
}

struct Event {
  std::string id;
  std::string user;
  std::string place;
  std::string type;  ///< in the shop's words
  std::string when;
  double value = 0.0;

  [[nodiscard]] json members() const {
    json one = {{"Beleg", id}, {"Kunde", user}, {"Laden", place}, {"Vorgang", type}, {"Wann", when}};
    if (value != 0.0) one["Sterne"] = value;
    return one;
  }
};

/// The shop as the events leave it that count.
struct Model {
  std::map<std::string, Event> events;  ///< by id

  template <class Weigh>
  [[nodiscard]] double sum(const Weigh& weigh) const {
    double sum = 0.0;
    for (const auto& [id, event] : events) sum += weigh(event);
    return sum;
  }
  [[nodiscard]] static const Venue& venue(const std::string& id) {
    return *std::find_if(venues().begin(), venues().end(), [&](const Venue& one) { return one.id == id; });
  }
  /// A purchase is five visits, and who rates has been there.
  [[nodiscard]] double visits(const std::string& place) const {
    return sum([&](const Event& e) {
      if (e.place != place) return 0.0;
      return e.type == "Kauf" ? 5.0 : e.type == "Besuch" || e.type == "Bewertung" ? 1.0 : 0.0;
    });
  }
  [[nodiscard]] double sold(const std::string& place) const {
    return sum([&](const Event& e) { return e.place == place && e.type == "Kauf" ? e.value : 0.0; });
  }
  [[nodiscard]] double of_kind(const std::string& user, const std::string& category) const {
    return sum([&](const Event& e) {
      const bool counts = e.type == "Kauf" || e.type == "Merken";
      return counts && e.user == user && venue(e.place).category == category ? 1.0 : 0.0;
    });
  }
  /// A geohash of six letters has fifteen bits of latitude, and all venues have one longitude.
  [[nodiscard]] double in_street(double lat) const {
    const auto band = [](double degrees) { return std::floor((degrees + 90.0) / 180.0 * 32768.0); };
    return sum([&](const Event& e) { return e.type == "Kauf" && band(venue(e.place).lat) == band(lat) ? 1.0 : 0.0; });
  }
  /// From 52.5205, on a sphere of 6,371,008.8 m.
  [[nodiscard]] static double km(const Venue& venue) {
    return 6371.0088 * std::abs(venue.lat - 52.5205) * std::numbers::pi / 180.0;
  }
  /// What a score is the sum of; parts that are 0 are no parts.
  [[nodiscard]] std::map<std::string, double> parts(const std::string& user, const Venue& venue) const {
    std::map<std::string, double> parts = {{"distance", -0.8 * std::log1p(km(venue) / 0.3)},
                                           {"popularity", 0.5 * std::log1p(visits(venue.id))},
                                           {"sold", 0.4 * std::log1p(sold(venue.id))},
                                           {"kind", 0.25 * of_kind(user, venue.category)},
                                           {"street", 0.3 * std::sqrt(in_street(venue.lat))}};
    std::erase_if(parts, [](const auto& part) { return part.second == 0.0; });
    return parts;
  }
  [[nodiscard]] double score(const std::string& user, const Venue& venue) const {
    double sum = 0.0;
    for (const auto& [name, part] : parts(user, venue)) sum += part;
    return sum;
  }
  /// All venues, the best first.
  [[nodiscard]] std::vector<std::string> order(const std::function<double(const Venue&)>& score) const {
    std::vector<std::pair<double, std::string>> scored;
    for (const Venue& one : venues()) scored.emplace_back(-score(one), one.id);
    std::sort(scored.begin(), scored.end());
    std::vector<std::string> ids;
    for (const auto& [minus, id] : scored) ids.push_back(id);
    return ids;
  }
};

std::vector<Event> first_events() {
  return {
      {"b1", "ann", "v1", "Kauf", "15.05.2024 08:00", 12.0},   {"b2", "ann", "v1", "Kauf", "14.05.2024 08:00", 4.0},
      {"b3", "ben", "v2", "Besuch", "13.05.2024 12:00"},       {"b4", "ben", "v4", "Kauf", "15.05.2024 21:00", 20.0},
      {"b5", "ben", "v4", "Bewertung", "15.05.2024 21:10", 4}, {"b6", "cleo", "v3", "Merken", "15.05.2024 12:00"},
  };
}

/// Computed anew: what others did shows in a kept answer when it is old.
json answer(const Shop& shop, const std::string& user, const std::vector<std::string>& more = {},
            const std::string& time = kThursday) {
  std::vector<std::string> arguments = {"recommend", "--at", "52.5205,13.40", "--time", time, "--max-staleness", "0"};
  if (!user.empty()) arguments.insert(arguments.end(), {"-u", user});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return shop.ask(arguments);
}

std::vector<std::string> ids_of(const json& answer) {
  std::vector<std::string> ids;
  for (const json& item : answer["items"]) ids.push_back(item["place_id"]);
  return ids;
}

/// What speaks for a place is told the largest first, and so is what speaks against it; together they are the score.
void check_reasons(const json& item, const std::map<std::string, double>& parts) {
  std::map<std::string, double> told;
  double sum = 0.0;
  for (const char* which : {"reasons", "against"}) {
    double before = INFINITY;
    for (const json& reason : item[which]) {
      const double contribution = reason["contribution"];
      told[reason["feature"]] = contribution;
      sum += contribution;
      CHECK((std::string(which) == "reasons" ? contribution > 0.0 : contribution < 0.0));
      CHECK(std::abs(contribution) <= before);
      before = std::abs(contribution);
    }
  }
  CHECK(sum == doctest::Approx(item["score"].get<double>()).epsilon(1e-5));
  REQUIRE(told.size() == parts.size());
  for (const auto& [name, part] : parts) {
    INFO(name);
    REQUIRE(told.contains(name));
    CHECK(told[name] == doctest::Approx(part).epsilon(1e-5));
  }
}

void check_answers(const Shop& shop, const Model& model) {
  for (const Venue& venue : venues()) {
    INFO(venue.id);
    CHECK(shop.value("place", venue.id, "place_visits") == model.visits(venue.id));
    CHECK(shop.value("place", venue.id, "place_sales") == doctest::Approx(model.sold(venue.id)));
  }
  for (const std::string user : {"ann", "ben", "cleo", ""}) {
    INFO(user);
    const json asked = answer(shop, user, {"--against"});
    CHECK(ids_of(asked) == model.order([&](const Venue& one) { return model.score(user, one); }));
    for (const json& item : asked["items"]) {
      const Venue& venue = Model::venue(item["place_id"]);
      INFO(venue.id);
      CHECK(item["score"].get<double>() == doctest::Approx(model.score(user, venue)).epsilon(1e-5));
      check_reasons(item, model.parts(user, venue));
    }
    // What speaks against a place is told to who asks for it.
    for (const json& item : answer(shop, user)["items"]) CHECK_FALSE(item.contains("against"));
  }
}

/// The venues that pass, in the order in which they stand without a filter.
std::vector<std::string> passing(const std::vector<std::string>& all, const std::function<bool(const Venue&)>& pass) {
  std::vector<std::string> left;
  std::copy_if(all.begin(), all.end(), std::back_inserter(left),
               [&](const std::string& id) { return pass(Model::venue(id)); });
  return left;
}

void check_filters(const Shop& shop) {
  const std::vector<std::string> all = ids_of(answer(shop, "ann"));
  const struct {
    std::vector<std::string> asked;
    std::function<bool(const Venue&)> pass;
  } cases[] = {
      {{"--where", "preis <= 4"}, [](const Venue& v) { return !v.preis.empty() && std::stod(v.preis) <= 4.0; }},
      {{"--where", "vegan"}, [](const Venue& v) { return v.vegan; }},
      {{"--where", "vegan and category != Bar"}, [](const Venue& v) { return v.vegan && v.category != "Bar"; }},
      {{"--where", "preis is absent or kueche = 'th'"},
       [](const Venue& v) { return v.preis.empty() || v.kueche.contains("th"); }},
      {{"--where", "not kueche in (it, th)"},
       [](const Venue& v) { return !v.kueche.contains("it") && !v.kueche.contains("th"); }},
      {{"--exclude-category", "Kaffee"}, [](const Venue& v) { return v.category != "Kaffee"; }},
      {{"--only", "v4", "--only", "v2"}, [](const Venue& v) { return v.id == "v2" || v.id == "v4"; }},
      {{"--only", "v4", "--only", "v2", "--where", "preis < 5"}, [](const Venue& v) { return v.id == "v2"; }},
      // Ten on a Thursday in Berlin; half past midnight on Friday, which is Thursday's evening; eleven on Saturday.
      {{"--open-at", "now"}, [](const Venue& v) { return v.id == "v1"; }},
      {{"--open-at", "2024-05-16T22:30:00Z"}, [](const Venue& v) { return v.id == "v4"; }},
      {{"--open-at", "2024-05-18T09:00:00Z"}, [](const Venue& v) { return v.id == "v2"; }},
      {{"--open-at", "2024-05-18T09:00:00Z", "--open-unknown"},
       [](const Venue& v) { return v.id == "v2" || v.id == "v3"; }},
  };
  for (const auto& one : cases) {
    INFO(json(one.asked).dump());
    const json asked = answer(shop, "ann", one.asked);
    const std::vector<std::string> wanted = passing(all, one.pass);
    REQUIRE_FALSE(wanted.empty());
    REQUIRE(wanted.size() < all.size());
    CHECK(ids_of(asked) == wanted);
  }
  const json shown = answer(shop, "ann", {"--only", "v1", "--attributes"})["items"][0]["attributes"];
  CHECK(shown["preis"] == 3.5);
  CHECK(shown["vegan"] == true);
  CHECK(shown["kueche"] == json({"de", "it"}));
  CHECK(shown["opening_hours"] == "Mo-Fr 07:00-18:00");
  const cli_test::Outcome misspelt = shop.run({"recommend", "-u", "ann", "--at", "52.5,13.4", "--where", "pries <= 4"});
  CHECK(misspelt.exit_code == 1);
  CHECK(misspelt.err.find("'preis'") != std::string::npos);
}

Model fill(const Shop& shop) {
  Model model;
  CHECK(shop.ask({"places", "import", "--map", "Nr=place_id,Bezeichnung=name,Breite=lat,Laenge=lon,Sparte=category",
                  "--extra-as-attributes", shop.write("venues.csv", venues_csv())})["imported"] == venues().size());
  std::string lines;
  for (const Event& event : first_events()) {
    lines += event.members().dump() + "\n";
    model.events[event.id] = event;
  }
  CHECK(shop.ask({"ingest", "--config", shop.config(), shop.write("events.ndjson", lines)})["accepted"] ==
        model.events.size());
  (void)shop.ask({"wait"});
  return model;
}

TEST_CASE("declared attributes, own views and a type that counts as another make answers, by plain arithmetic") {
  Shop shop(kDeclared);
  Model model = fill(shop);
  for (const int signal : {0, SIGKILL, SIGTERM}) {
    if (signal != 0) {
      shop.restart(signal);
      (void)shop.ask({"wait"});
    }
    CHECK(model.visits("v1") == 10.0);
    CHECK(model.sold("v1") == 16.0);
    check_answers(shop, model);
    check_filters(shop);
    // 16 sold, ten visits, two of ann's purchases were of coffee, two were made in the street of v1 alone.
    const json best = answer(shop, "ann")["items"][0];
    CHECK(best["place_id"] == "v1");
    CHECK(best["reasons"][0]["text"] == "10 visits by everyone");
    CHECK(best["reasons"][1]["text"] == "16 sold");
    CHECK(best["because"] == "There have been 10 visits, 16 sold, and 2 times of its kind.");
  }
}

TEST_CASE("rules raise and bury places, each as one of the reasons, and go with the configuration") {
  Shop shop(kDeclared);
  Model model = fill(shop);
  shop.configure(std::string(kDeclared) + kRules);
  for (const int signal : {SIGTERM, SIGKILL}) {
    shop.restart(signal);
    (void)shop.ask({"wait"});
    const auto raised = [&](const Venue& v) { return model.score("ben", v) + (v.vegan ? 1.5 : 0.0); };
    const json asked = answer(shop, "ben", {"--against"});
    CHECK(ids_of(asked) == model.order([&](const Venue& v) { return v.category == "Bar" ? -1e9 : raised(v); }));
    // Without the rule it were not the last.
    CHECK(model.order(raised).back() != "v4");
    for (const json& item : asked["items"]) {
      const Venue& venue = Model::venue(item["place_id"]);
      INFO(venue.id);
      CHECK(item["score"].get<double>() == doctest::Approx(raised(venue)).epsilon(1e-5));
      std::map<std::string, double> rules;
      for (const char* which : {"reasons", "against"}) {
        double before = INFINITY;
        for (const json& reason : item[which]) {
          const std::string name = reason["feature"];
          if (name.starts_with("rule:")) rules[which + (" " + name)] = reason["contribution"];
          CHECK(std::abs(reason["contribution"].get<double>()) <= before);
          before = std::abs(reason["contribution"].get<double>());
        }
      }
      std::map<std::string, double> wanted;
      if (venue.vegan) wanted["reasons rule:green"] = 1.5;
      if (venue.category == "Bar") wanted["against rule:not before noon"] = 0.0;
      CHECK(rules == wanted);
    }
    // One in the afternoon in Berlin: nothing is buried.
    CHECK(ids_of(answer(shop, "ben", {}, "2024-05-16T11:00:00Z")) == model.order(raised));
  }
  shop.configure(kDeclared);
  shop.restart(SIGTERM);
  (void)shop.ask({"wait"});
  check_answers(shop, model);
}

TEST_CASE("events that are taken back or replaced count in no score, at once and after every end") {
  Shop shop(kDeclared);
  Model model = fill(shop);
  std::uint64_t retracted = 0;
  const auto settle = [&](int signal) {
    (void)shop.ask({"wait"});
    check_answers(shop, model);
    CHECK(shop.ask({"status"})["events_retracted"] == ++retracted);
    shop.restart(signal);
    (void)shop.ask({"wait"});
    check_answers(shop, model);
    CHECK(shop.ask({"status"})["events_retracted"] == retracted);
  };

  // By its id: the log still has what it said.
  CHECK(shop.ask({"events", "retract", "b1"})["found_in"] == "event_log");
  model.events.erase("b1");
  CHECK(model.visits("v1") == 5.0);
  settle(SIGKILL);

  // Ben bought less than it said, and elsewhere; what stands in its place has an id of its own.
  const Event instead{"b4-new", "ben", "v2", "Kauf", "15.05.2024 21:00", 8.0};
  CHECK(shop.ask({"events", "replace", "b4", "--with", instead.members().dump()})["replaced_by"] == "b4-new");
  model.events.erase("b4");
  model.events[instead.id] = instead;
  settle(SIGTERM);
  // Asked once more, nothing changes.
  (void)shop.ask({"events", "replace", "b4", "--with", instead.members().dump()});
  (void)shop.ask({"wait"});
  check_answers(shop, model);

  // By a stream: the event once more, with "retract".
  json again = model.events.at("b5").members();
  again["retract"] = true;
  CHECK(shop.ask({"ingest", "--config", shop.config(), shop.write("back.ndjson", again.dump() + "\n")})["accepted"] ==
        1);
  model.events.erase("b5");
  settle(SIGKILL);

  // A retraction that comes before its event.
  Event late{"b7", "cleo", "v1", "Kauf", "15.05.2024 22:00", 30.0};
  CHECK(shop.ask({"events", "retract", "b7", "--original", late.members().dump()})["found_in"] == "caller");
  CHECK(shop.run({"events", "retract", "b8"}).exit_code == 4);
  CHECK(shop.ask({"ingest", "--config", shop.config(),
                  shop.write("late.ndjson", late.members().dump() + "\n")})["accepted"] == 1);
  (void)shop.ask({"wait"});
  CHECK(shop.ask({"status"})["events_withheld"] == 1);
  check_answers(shop, model);

  // The file once more: what was taken back stays so.
  std::string lines;
  for (const Event& event : first_events()) lines += event.members().dump() + "\n";
  (void)shop.ask({"ingest", "--again", "--config", shop.config(), shop.write("events.ndjson", lines)});
  (void)shop.ask({"wait"});
  check_answers(shop, model);
  CHECK(shop.ask({"status"})["retracted_values_lost"] == 0);
}

}  // namespace
}  // namespace cairn
