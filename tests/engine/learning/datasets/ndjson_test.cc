#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "engine/learning/datasets/city.h"
#include "streaming/decode.h"
#include "streaming/source.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::datasets;
using cairn::test::TemporaryFolder;

namespace {

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a place is one line, with what is known of it") {
  const TemporaryFolder folder;
  const std::vector<Place> places = {{PlaceId("p1"), "Bar \"Ö\"\\\t", {45.5, -0.125}, "Bar"},
                                     {PlaceId("2"), "", {-1e-7, 180.0}, ""}};
  REQUIRE(write_places_ndjson(folder / "places.ndjson", places).ok());
  CHECK(read(folder / "places.ndjson") ==
        "{\"place_id\":\"p1\",\"name\":\"Bar \\\"Ö\\\"\\\\\\u0009\",\"lat\":45.5,\"lon\":-0.125,\"category\":\"Bar\"}\n"
        "{\"place_id\":\"2\",\"lat\":-1e-07,\"lon\":180}\n");
}

TEST_CASE("an interaction is one line, milliseconds only where there are any") {
  const TemporaryFolder folder;
  const std::vector<Interaction> events = {
      {UserId("u"), PlaceId("p"), TypeIndex{3}, event_time_from_ms(1333476000000), 4.5, GeoPoint{1.0, 2.0}, "e-1"},
      {UserId("u"), PlaceId("p"), TypeIndex{0}, event_time_from_ms(1333476000007), {}, {}, {}}};
  REQUIRE(write_interactions_ndjson(folder / "events.ndjson", events).ok());
  CHECK(read(folder / "events.ndjson") ==
        "{\"user_id\":\"u\",\"place_id\":\"p\",\"type\":\"rate\",\"ts\":\"2012-04-03T18:00:00Z\",\"value\":4.5,"
        "\"lat\":1,\"lon\":2,\"event_id\":\"e-1\"}\n"
        "{\"user_id\":\"u\",\"place_id\":\"p\",\"type\":\"view\",\"ts\":\"2012-04-03T18:00:00.007Z\"}\n");
}

TEST_CASE("the stream's decoder reads back what was written") {
  const TemporaryFolder folder;
  const std::vector<Interaction> written =
      generate_city({.seed = 5, .users = 40, .places = 100, .days = 5, .events = 3'000}).value().interactions;
  REQUIRE(write_interactions_ndjson(folder / "events.ndjson", written).ok());
  std::string text = read(folder / "events.ndjson");
  text.append(streaming::kPayloadPadding, '\0');
  const InteractionTypes types;
  const ManualClock clock(CityOptions{}.end);
  streaming::Decoder decoder(types, DecodeOptions{}, clock);
  std::size_t start = 0;
  for (const Interaction& expected : written) {
    const std::size_t end = text.find('\n', start);
    REQUIRE(end != std::string::npos);
    Interaction event;
    const auto reject = decoder.decode(std::string_view(text).substr(start, end - start), &event);
    REQUIRE_MESSAGE(reject == streaming::Reject::kNone, decoder.detail());
    const bool equal = event.user == expected.user && event.place == expected.place && event.type == expected.type &&
                       event.time == expected.time && event.value == expected.value &&
                       event.position == expected.position && event.event_id == expected.event_id;
    CHECK_MESSAGE(equal, text.substr(start, end - start));
    start = end + 1;
  }
  CHECK(start + streaming::kPayloadPadding == text.size());
}

TEST_CASE("a file appears whole, and only the file") {
  const TemporaryFolder folder;
  REQUIRE(write_places_ndjson(folder / "places.ndjson", {}).ok());
  CHECK(std::filesystem::exists(folder / "places.ndjson"));
  CHECK(!std::filesystem::exists(folder / "places.ndjson.part"));
}

TEST_CASE("a file that cannot be written is named") {
  const TemporaryFolder folder;
  const Status status = write_places_ndjson(folder / "absent/places.ndjson", {});
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("absent/places.ndjson") != std::string::npos);
  // A full disk shows itself at the write.
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", folder / "full.part");
    const std::vector<Place> places(10, {PlaceId("p"), "", {}, ""});
    const Status full = write_places_ndjson(folder / "full", places);
    CHECK(full.code() == StatusCode::kUnavailable);
    CHECK(!std::filesystem::exists(folder / "full"));
  }
}
