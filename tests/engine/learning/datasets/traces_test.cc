#include "engine/learning/datasets/traces.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "tests/support/real_data.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::datasets;
using cairn::test::TemporaryFolder;

namespace {

EventTime at(int year, unsigned month, unsigned day, int hour, int minute, int second) {
  using namespace std::chrono;
  return sys_days{std::chrono::year{year} / month / day} + hours{hour} + minutes{minute} + seconds{second};
}

bool in_time_order(const Dataset& dataset) {
  return std::is_sorted(dataset.interactions.begin(), dataset.interactions.end(),
                        [](const Interaction& a, const Interaction& b) { return a.time < b.time; });
}

std::map<std::string, std::size_t> events_per_user(const Dataset& dataset) {
  std::map<std::string, std::size_t> counts;
  for (const Interaction& event : dataset.interactions) ++counts[event.user.str()];
  return counts;
}

/// The same counts by other means: zcat, cut, sort and uniq.
std::map<std::string, std::size_t> counts_by_shell(const std::string& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  REQUIRE(pipe);
  std::map<std::string, std::size_t> counts;
  char user[256];
  std::size_t count = 0;
  while (std::fscanf(pipe.get(), "%zu %255s", &count, user) == 2) counts[user] = count;
  return counts;
}

void check_fault(const Result<Dataset>& loaded, const std::string& where, const std::string& what) {
  REQUIRE(!loaded.ok());
  INFO(loaded.status().to_string());
  CHECK(loaded.status().code() == StatusCode::kInvalidArgument);
  CHECK(loaded.status().message().find(where) != std::string::npos);
  CHECK(loaded.status().message().find(what) != std::string::npos);
}

constexpr char kPlacesCsv[] =
    "place_id,lat,lon,category\n1,40.5,-74.25,\"Music Venue\"\n2,40.75,-73.5,\n3,41,-73,\"Say \"\"Ah\"\", Doctor\"\n";

}  // namespace

TEST_CASE("the Foursquare trace has the counts that plain tools find in its files") {
  const std::string folder = test::real_data_with("foursquare_nyc");
  if (folder.empty()) return;
  const auto loaded = load_foursquare(folder);
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->interactions.size() == 130'399);
  CHECK(loaded->places.size() == 5'135);
  CHECK(std::count_if(loaded->places.begin(), loaded->places.end(),
                      [](const Place& place) { return !place.category.empty(); }) == 3'238);
  CHECK(in_time_order(*loaded));
  CHECK(loaded->interactions.back().time == at(2012, 12, 21, 13, 28, 0));
  CHECK(events_per_user(*loaded) ==
        counts_by_shell("zcat '" + folder +
                        "/foursquare_nyc/checkins.csv.gz' | tail -n +2 | cut -d, -f1 | sort | uniq -c"));
}

TEST_CASE("the Gowalla trace has the counts that plain tools find in its files") {
  const std::string folder = test::real_data_with("gowalla_nyc");
  if (folder.empty()) return;
  const auto loaded = load_gowalla(folder + "/gowalla_nyc");
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->interactions.size() == 138'957);
  CHECK(loaded->places.size() == 30'366 + (21'509 - 17'291));  // venues, and places that only events name
  CHECK(in_time_order(*loaded));
  CHECK(std::chrono::floor<std::chrono::days>(loaded->interactions.front().time) == at(2009, 4, 23, 0, 0, 0));
  CHECK(std::chrono::floor<std::chrono::days>(loaded->interactions.back().time) == at(2010, 10, 23, 0, 0, 0));
  CHECK(events_per_user(*loaded) ==
        counts_by_shell("zcat '" + folder + "/gowalla_nyc/events.tsv.gz' | cut -f1 | sort | uniq -c"));
}

TEST_CASE("Foursquare's tables become places with categories and visits in time order") {
  const TemporaryFolder folder;
  folder.write("places.csv", kPlacesCsv);
  folder.write(
      "checkins.csv",
      "user_id,place_id,timestamp\n7,2,2012-04-03T18:05:00Z\n8,1,2012-04-03T18:00:00Z\n9,3,2012-04-03T18:05:00Z\n");
  const auto loaded = load_foursquare(folder.path());
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->places == std::vector<Place>{{PlaceId("1"), "", {40.5, -74.25}, "Music Venue"},
                                             {PlaceId("2"), "", {40.75, -73.5}, ""},
                                             {PlaceId("3"), "", {41.0, -73.0}, "Say \"Ah\", Doctor"}});
  REQUIRE(loaded->interactions.size() == 3);
  CHECK(loaded->interactions[0].user == UserId("8"));
  CHECK(loaded->interactions[0].time == at(2012, 4, 3, 18, 0, 0));
  CHECK(loaded->interactions[1].user == UserId("7"));  // equal times stay in the file's order
  CHECK(loaded->interactions[2].user == UserId("9"));
  for (const Interaction& event : loaded->interactions) {
    CHECK(InteractionTypes::kBuiltIn[event.type.value] == "visit");
    CHECK(!event.position);
    CHECK(event.event_id.empty());
  }
}

TEST_CASE("the folder above the trace's own is as good") {
  const TemporaryFolder folder;
  folder.write("foursquare_nyc/places.csv", kPlacesCsv);
  folder.write("foursquare_nyc/checkins.csv", "user_id,place_id,timestamp\n7,2,2012-04-03T18:05:00Z\n");
  CHECK(load_foursquare(folder.path()).ok());
}

TEST_CASE("Foursquare's published file is read, Latin-1 and local times included") {
  const TemporaryFolder folder;
  folder.write(
      "dataset_TSMC2014_NYC.txt",
      "470\t49bbd6c0\t4bf58dd8d48988d127951735\tCaf\xe9\t40.7198\t-74.0025\t-240\tTue Apr 03 18:00:09 +0000 2012\r\n"
      "979\t4a43c0ae\t4bf58dd8d48988d1df941735\tBridge\t40.6068\t-74.0441\t-240\tTue Apr 03 16:00:25 -0200 2012\n"
      "12\t49bbd6c0\t4bf58dd8d48988d127951735\tCaf\xe9\t40.7199\t-74.0026\t-240\tTue Apr 03 17:00:00 +0000 2012\n");
  const auto loaded = load_foursquare(folder.path());
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->places == std::vector<Place>{{PlaceId("49bbd6c0"), "", {40.7199, -74.0026}, "Caf\xc3\xa9"},
                                             {PlaceId("4a43c0ae"), "", {40.6068, -74.0441}, "Bridge"}});
  REQUIRE(loaded->interactions.size() == 3);
  CHECK(loaded->interactions[0].user == UserId("12"));
  CHECK(loaded->interactions[1].time == at(2012, 4, 3, 18, 0, 9));
  CHECK(loaded->interactions[2].time == at(2012, 4, 3, 18, 0, 25));
}

TEST_CASE("both cities of the Foursquare data set are read, and their users told apart") {
  const TemporaryFolder folder;
  const std::string row = "\tv\tc\tBar\t40.7\t-74.0\t-240\tTue Apr 03 18:00:09 +0000 2012\n";
  folder.write("dataset_tsmc2014/dataset_TSMC2014_TKY.txt", "1" + row);
  const auto tokyo = load_foursquare(folder.path());
  REQUIRE_MESSAGE(tokyo.ok(), tokyo.status().to_string());
  CHECK(tokyo->interactions.at(0).user == UserId("1"));
  folder.write("dataset_TSMC2014_NYC.txt", "1\tw\tc\tBar\t40.7\t-74.0\t-240\tTue Apr 03 18:00:10 +0000 2012\n");
  const auto both = load_foursquare(folder.path());
  REQUIRE_MESSAGE(both.ok(), both.status().to_string());
  REQUIRE(both->interactions.size() == 2);
  CHECK(both->interactions[0].user == UserId("TKY-1"));
  CHECK(both->interactions[1].user == UserId("NYC-1"));
  CHECK(both->places.size() == 2);
}

TEST_CASE("Gowalla's events bring the places that its venues lack, where they were first seen") {
  const TemporaryFolder folder;
  folder.write("venues.tsv", "5\tConference House Park\t40.5\t-74.25\n");
  folder.write("events.tsv",
               "0\t2010-10-12T00:21:28Z\t40.75\t-73.75\t9\n"
               "0\t2010-10-11T00:00:00Z\t40.51\t-74.26\t5\n"
               "1\t2010-10-10T00:00:00Z\t40.25\t-73.25\t9\n");
  const auto loaded = load_gowalla(folder.path());
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->places == std::vector<Place>{{PlaceId("5"), "Conference House Park", {40.5, -74.25}, ""},
                                             {PlaceId("9"), "", {40.25, -73.25}, ""}});
  REQUIRE(loaded->interactions.size() == 3);
  CHECK(loaded->interactions[0].user == UserId("1"));
  CHECK(loaded->interactions[1].position == GeoPoint{40.51, -74.26});
}

TEST_CASE("Gowalla's published file needs no venues") {
  const TemporaryFolder folder;
  folder.write("loc-gowalla_totalCheckins.txt", "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n");
  const auto loaded = load_gowalla(folder.path());
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  CHECK(loaded->places == std::vector<Place>{{PlaceId("22847"), "", {30.2359091167, -97.7951395833}, ""}});
}

TEST_CASE("a folder without a trace is not found, and the message lists the files looked for") {
  const TemporaryFolder folder;
  const auto foursquare = load_foursquare(folder.path());
  REQUIRE(!foursquare.ok());
  CHECK(foursquare.status().code() == StatusCode::kNotFound);
  CHECK(foursquare.status().message().find("dataset_TSMC2014_NYC.txt") != std::string::npos);
  const auto gowalla = load_gowalla(folder / "absent");
  REQUIRE(!gowalla.ok());
  CHECK(gowalla.status().code() == StatusCode::kNotFound);
  CHECK(gowalla.status().message().find("loc-gowalla_totalCheckins.txt") != std::string::npos);
}

TEST_CASE("a bad line is named with its file, its number and what is wrong") {
  const struct {
    const char* line;
    const char* fault;
  } cases[] = {
      {"0\t2010-10-19T23:55:27Z\t30.2\t-97.7", "has 4 columns, not 5"},
      {"\t2010-10-19T23:55:27Z\t30.2\t-97.7\t1", "user id '' must have 1 to 128 bytes"},
      {"0\tyesterday\t30.2\t-97.7\t1", "time 'yesterday' is not like"},
      {"0\t2010-10-19T23:55:27Z\t91\t-97.7\t1", "is not on the Earth"},
      {"0\t2010-10-19T23:55:27Z\t30.2\tnan\t1", "is not on the Earth"},
      {"0\t2010-10-19T23:55:27Z\t30.2x\t-97.7\t1", "latitude '30.2x' is not a number"},
  };
  for (const auto& [line, fault] : cases) {
    INFO(line);
    const TemporaryFolder folder;
    folder.write("events.tsv", std::string("0\t2010-10-19T23:55:27Z\t30.2\t-97.7\t1\n") + line + "\n");
    check_fault(load_gowalla(folder.path()), folder / "events.tsv" + ":2:", fault);
  }
}

TEST_CASE("a table with another header or an open quote is refused") {
  const TemporaryFolder folder;
  folder.write("checkins.csv", "user_id,place_id,timestamp\n");
  folder.write("places.csv", "id,lat,lon\n");
  check_fault(load_foursquare(folder.path()), "places.csv:1:", "the header must be 'place_id,lat,lon,category'");
  folder.write("places.csv", "place_id,lat,lon,category\n1,40,-74,\"Bar\n");
  check_fault(load_foursquare(folder.path()), "places.csv:2:", "quote");
  folder.write("places.csv", "place_id,lat,lon,category\n1,40,-74\n");
  check_fault(load_foursquare(folder.path()), "places.csv:2:", "has 3 fields, not 4");
}

TEST_CASE("a published time of another form is refused") {
  for (const char* time :
       {"Tue Avr 03 18:00:09 +0000 2012", "Tue Apr 3 18:00:09 +0000 2012", "Tue Apr 03 18:00 +0000 2012",
        "Tue Apr 31 18:00:09 +0000 2012", "Tue Apr 03 18:00:09 UTC 2012", "2012-04-03T18:00:09Z"}) {
    INFO(time);
    const TemporaryFolder folder;
    folder.write("dataset_TSMC2014_NYC.txt", std::string("1\tv\tc\tBar\t40.7\t-74.0\t-240\t") + time + "\n");
    check_fault(load_foursquare(folder.path()), "dataset_TSMC2014_NYC.txt:1:", "is not like Tue Apr 03");
  }
}
