// A shop of one's own, from its exports to answers: venues and events in its own words, a configuration that knows
// them, and the two programs. Every number is worked out by hand beside it.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/system/shop/shop.h"

namespace cairn {
namespace {

using nlohmann::json;
using shop_test::Shop;

constexpr const char* kVenues =
    "Nr;Bezeichnung;Breite;Laenge;Sparte;Betreiber\n"
    "v1;Zur Bohne;52.520;13.40;Kaffee;Eva\n"
    "v2;\"Bohne; zwei\";52.521;13.40;Kaffee;Eva\n"
    "v3;Seiten;52.522;13.40;Buch;Udo\n"
    "v4;Tresen;52.523;13.40;Bar;Ida\n";

/// Seven that can be used. `Storno` is no type that the configuration knows.
constexpr const char* kEventsCsv =
    "Kunde;Laden;Vorgang;Wann;Sterne\n"
    "ann;v1;Besuch;01.05.2024 08:00;\n"
    "ann;v1;Besuch;08.05.2024 08:00;\n"
    "ann;v1;Besuch;15.05.2024 08:00;\n"
    "ann;v3;Besuch;15.05.2024 08:00;\n"
    "ben;v1;Besuch;14.05.2024 09:00;\n"
    "ben;v4;Bewertung;14.05.2024 21:00;4\n"
    "ben;v4;Bewertung;15.05.2024 21:00;2\n"
    "ben;v4;Storno;15.05.2024 21:05;\n";

/// Two more, one of them at a venue that is not known yet.
constexpr const char* kEventsNdjson = R"({"Kunde":"cleo","Laden":"v2","Vorgang":"Besuch","Wann":"15.05.2024 12:00"})"
                                      "\n"
                                      R"({"Kunde":"cleo","Laden":"v9","Vorgang":"Besuch","Wann":"15.05.2024 13:00"})"
                                      "\n";

bool says(const json& item, const std::string& text) {
  for (const json& reason : item["reasons"]) {
    if (reason["text"] == text) return true;
  }
  return false;
}

bool contains(const std::vector<std::string>& places, const std::string& place) {
  return std::find(places.begin(), places.end(), place) != places.end();
}

void check_counts(const Shop& shop, bool ann_erased) {
  // v1: ann three times and ben once; who rates has been there, so v4 has two visits of ben. Erased users stay counted.
  CHECK(shop.value("place", "v1", "place_visits") == 4.0);
  CHECK(shop.value("place", "v2", "place_visits") == 1.0);
  CHECK(shop.value("place", "v4", "place_visits") == 2.0);
  CHECK(shop.value("place", "v4", "place_rating") == doctest::Approx((4.0 + 2.0) / 2.0));
  CHECK(shop.entry("user", "cleo", "user_category_affinity", "Kaffee")["count"] == 1);
  CHECK(shop.entry("user", "ben", "user_category_affinity", "Bar")["count"] == 2);
  if (ann_erased) {
    CHECK(shop.run({"features", "get", "user", "ann"}).exit_code == 4);
    return;
  }
  // Half-life 30 days: three visits a week apart, beside one of the day of the last.
  const double coffee = shop.value("user", "ann", "user_category_affinity", "Kaffee");
  const double books = shop.value("user", "ann", "user_category_affinity", "Buch");
  CHECK(coffee / books == doctest::Approx(1.0 + std::exp2(-7.0 / 30.0) + std::exp2(-14.0 / 30.0)).epsilon(1e-6));
}

TEST_CASE("a shop's exports become answers, and every number is that of plain arithmetic") {
  Shop shop;

  // ---- in, in the shop's own words ----
  CHECK(shop.ask({"places", "import", "--map", "Nr=place_id,Bezeichnung=name,Breite=lat,Laenge=lon,Sparte=category",
                  "--ignore-extra", shop.write("venues.csv", kVenues)}) == json({{"imported", 4}}));
  const json csv = shop.ask({"ingest", "--config", shop.config(), shop.write("events.csv", kEventsCsv)});
  CHECK(csv["accepted"] == 7);
  CHECK(csv["rejected"] == 1);
  CHECK(csv["rejections"][0]["line"] == 9);
  CHECK(csv["rejections"][0]["reason"].get<std::string>().find("Storno") != std::string::npos);
  CHECK(shop.ask({"ingest", shop.write("events.ndjson", kEventsNdjson)})["accepted"] == 2);
  CHECK(shop.ask({"ingest", "--config", shop.config(), shop.write("events.csv", kEventsCsv)})["repeated"] == 7);
  (void)shop.ask({"wait"});

  // ---- what is there ----
  json status = shop.ask({"status"});
  CHECK(status["events_applied"] == 7 + 2);
  CHECK(status["places"] == 4);
  CHECK(status["events_waiting"] == 1);  // cleo at v9
  CHECK(status["unknown_places"] == 1);
  check_counts(shop, false);

  // ---- answers, with reasons ----
  json items;
  const std::vector<std::string> first = shop.recommended("ann", &items);
  REQUIRE(first.size() == 4);
  CHECK(first[0] == "v1");  // where she goes every week at this hour
  CHECK(says(items[0], "visited 3 times"));
  CHECK(items[0]["name"] == "Zur Bohne");
  CHECK(items[0]["category"] == "Kaffee");
  // 0.0005 degrees of latitude on a sphere of 6,371,008.8 m.
  CHECK(items[0]["distance_meters"].get<double>() ==
        doctest::Approx(6'371'008.8 * 0.0005 * std::acos(-1.0) / 180.0).epsilon(1e-3));

  // ---- a venue that comes after its events ----
  CHECK(shop.ask({"places", "import", "--map", "Nr=place_id,Bezeichnung=name,Breite=lat,Laenge=lon,Sparte=category",
                  "--ignore-extra",
                  shop.write("more.csv",
                             "Nr;Bezeichnung;Breite;Laenge;Sparte\nv9;Neun;52.524;13.40;Bar\n")})["imported"] == 1);
  CHECK(shop.entry("user", "cleo", "user_category_affinity", "Bar")["count"] == 1);
  CHECK(shop.ask({"status"})["events_waiting"] == 0);

  // ---- a category that is called otherwise ----
  CHECK(shop.ask({"categories", "rename", "Bar", "Kneipe"})["places"] == 2);  // v4 and v9
  CHECK(shop.entry("user", "cleo", "user_category_affinity", "Kneipe")["count"] == 1);
  CHECK(shop.ask({"places", "get", "v4"})["category"] == "Kneipe");
  const json again =
      shop.ask({"places", "import", "--map", "Nr=place_id,Bezeichnung=name,Breite=lat,Laenge=lon,Sparte=category",
                "--ignore-extra", shop.write("venues.csv", kVenues)});
  CHECK(again["renamed_categories"] == json({{"Bar", "Kneipe"}}));
  CHECK(shop.ask({"categories", "rename", "Kneipe", "Bar"})["places"] == 2);  // and back

  // ---- after a crash, and after an ordinary stop ----
  for (const int signal : {SIGKILL, SIGTERM}) {
    shop.restart(signal);
    (void)shop.ask({"wait"});
    CHECK(shop.ask({"status"})["events_applied"] == 9);
    check_counts(shop, false);
    CHECK(shop.entry("user", "cleo", "user_category_affinity", "Bar")["count"] == 1);
    CHECK(shop.recommended("ann")[0] == "v1");
  }

  // ---- out ----
  const json receipt = shop.ask({"users", "erase", "ann"});
  CHECK(receipt["complete"] == true);
  CHECK(shop.ask({"places", "delete", "v3"}).is_discarded() == false);
  for (int round = 0; round < 2; ++round) {
    check_counts(shop, true);
    CHECK(shop.run({"places", "get", "v3"}).exit_code == 4);
    const std::vector<std::string> left = shop.recommended("ben");
    CHECK(left.size() == 4);  // v1, v2, v4, v9
    CHECK_FALSE(contains(left, "v3"));
    CHECK(shop.ask({"status"})["places"] == 4);
    shop.restart(SIGTERM);
    (void)shop.ask({"wait"});
  }
}

TEST_CASE("a place whose attribute does not fit is told of by the line of the file") {
  Shop shop("[[attribute]]\nname = \"price\"\ntype = \"number\"\n");
  const auto refused =
      shop.run({"places", "import", "--extra-as-attributes",
                shop.write("venues.csv", "place_id;lat;lon;price\nv1;52.52;13.4;3\n\nv2;52.52;13.4;4,50\n")});
  CHECK(refused.exit_code == 1);
  INFO(refused.err);
  CHECK(refused.err.find(
            "line 4 ('v2'): attribute 'price' is declared as number, and is '4,50'; write one such as 4.5") !=
        std::string::npos);
}

}  // namespace
}  // namespace cairn
