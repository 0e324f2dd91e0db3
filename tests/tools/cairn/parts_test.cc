#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "cairn/byte_text.h"
#include "tests/support/temporary_folder.h"
#include "tools/cairn/chunk.h"
#include "tools/cairn/csv.h"
#include "tools/cairn/http_client.h"
#include "tools/cairn/output.h"
#include "tools/cairn/record_mapping.h"
#include "tools/cairn/record_source.h"

using namespace cairn;
using namespace cairn::cli;

TEST_CASE("CSV is split as RFC 4180 says") {
  CHECK(*split_csv("a,b,c") == std::vector<std::string>{"a", "b", "c"});
  CHECK(*split_csv(",,") == std::vector<std::string>{"", "", ""});
  CHECK(*split_csv("\"a,b\",\"say \"\"hi\"\"\",\"\"") == std::vector<std::string>{"a,b", "say \"hi\"", ""});
  CHECK(*split_csv("\"two\nlines\",x") == std::vector<std::string>{"two\nlines", "x"});
  CHECK(split_csv("\"open").status().code() == StatusCode::kOutOfRange);
  CHECK(split_csv("\"a\"b,c").status().code() == StatusCode::kInvalidArgument);
  CHECK(split_csv("a\"b,c").status().code() == StatusCode::kInvalidArgument);
}

namespace {

RecordMapping mapping_of(const RecordKind& kind, const MappingArguments& arguments) {
  auto made = RecordMapping::make(kind, arguments);
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

/// All records of a text in a file, as JSON or as fields joined by '|', each with its line.
std::vector<std::string> records_of(const std::string& text, Encoding encoding = Encoding::kUtf8) {
  const cairn::test::TemporaryFolder scratch;
  std::vector<std::string> read;
  auto source = RecordSource::open(scratch.write("f", text), encoding);
  if (!source.ok()) return {source.status().message()};
  for (Record record;;) {
    const auto more = source->next(&record);
    if (!more.ok()) {
      read.push_back(more.status().message());
      return read;
    }
    if (!*more) return read;
    std::string one = std::to_string(record.line) + ":" + record.json;
    for (const std::string& field : record.fields) one += field + "|";
    read.push_back(one);
  }
}

}  // namespace

TEST_CASE("the separator of CSV is the one that its heading has most of") {
  CHECK(separator_of("a,b;c,d") == ',');
  CHECK(separator_of("a;b;c") == ';');
  CHECK(separator_of("a\tb\tc") == '\t');
  CHECK(separator_of("\"x;y;z\",b") == ',');
  CHECK(separator_of("alone") == ',');
}

TEST_CASE("records are found in every format, by content, with the lines at which they begin") {
  using Records = std::vector<std::string>;
  CHECK(records_of("").empty());
  CHECK(records_of("\n \n").empty());
  CHECK(records_of("\n  {\"a\":1}\n\n{\"a\":2}") == Records{"2:  {\"a\":1}", "4:{\"a\":2}"});
  CHECK(records_of("\xEF\xBB\xBF{\"a\":1}\r\n") == Records{"1:{\"a\":1}"});
  CHECK(records_of("[{\"a\":1},{\"a\":[2,\"]\"]}]") == Records{"1:{\"a\":1}", "1:{\"a\":[2,\"]\"]}"});
  CHECK(records_of("[\n  {\n    \"a\": 1\n  },\n  {\"a\": 2}\n]\n") == Records{"2:{     \"a\": 1   }", "5:{\"a\": 2}"});
  CHECK(records_of("{\n\"a\": 1\n}\n{\n\"a\": 2}\n") == Records{"1:{\"a\":1}", "4:{\"a\":2}"});
  CHECK(
      records_of(
          "{\"type\":\"FeatureCollection\",\n\"crs\":{\"x\":[]},\"features\":[\n{\"i\":1},\n{\"i\":2}\n],\"z\":0}\n") ==
      Records{"3:{\"i\":1}", "4:{\"i\":2}"});
  CHECK(records_of("{\"features\":[{\"i\":1}],\"type\":\"FeatureCollection\"}") == Records{"1:{\"i\":1}"});
  CHECK(records_of("\x1E{\"i\":1}\n\x1E{\"i\":2}\n") == Records{"1:{\"i\":1}", "2:{\"i\":2}"});
  CHECK(records_of("\"b\":1}\n{\"a\":2}\n") == Records{"1:\"b\":1}", "2:{\"a\":2}"});  // a file that was cut
  CHECK(records_of("h,i\r\na,\"b\n\nc\"\r\n\r\nd,e") == Records{"2:a|b\n\nc|", "6:d|e|"});
}

TEST_CASE("the elements of an array are the same however it is laid out") {
  const std::uint64_t seed = 11;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const auto some = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  const std::vector<std::string> texts = {"", "a", "]", "}", "{\"", "\\", "\n", ",", "caf\u00e9", "\"features\":["};
  for (int round = 0; round < 300; ++round) {
    nlohmann::json array = nlohmann::json::array();
    for (std::size_t i = 1 + some(6); i > 0; --i) {
      nlohmann::json object = {{"n", i}};
      object[texts[some(texts.size())]] = texts[some(texts.size())];
      object["list"] = {texts[some(texts.size())], 1.5, nullptr, nlohmann::json::object({{"x", true}})};
      array.push_back(object);
    }
    const int indent = static_cast<int>(some(4)) - 1;
    const bool collection = some(2) == 0;
    const std::string text =
        collection ? nlohmann::json({{"features", array}, {"a", "}"}, {"z", {1, 2}}}).dump(indent) : array.dump(indent);
    CAPTURE(text);
    const auto records = records_of(text);
    REQUIRE(records.size() == array.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      const std::string json = records[i].substr(records[i].find(':') + 1);
      REQUIRE(json.find('\n') == std::string::npos);
      REQUIRE(nlohmann::json::parse(json) == array[i]);
    }
  }
}

TEST_CASE("a file that is not what it looks like is refused at its line, and says what to do") {
  const auto last = [](const std::string& text) { return records_of(text).back(); };
  CHECK(last("[{\"a\":1},\n{\"a\":}]").find("line 2: is no JSON: parse error") == 0);
  CHECK(last("[{\"a\":1}").find("line 1: the file ends inside its JSON array") == 0);
  CHECK(last("[1,\n{\"a\":\"x").find("line 2: the JSON value that begins here does not end") == 0);
  CHECK(last("[1] x").find("line 1: text follows the JSON value before it") == 0);
  CHECK(last("h,i\n\"a,b\n").find("line 2: a quoted field does not end") == 0);
  CHECK(last(std::string("\xFF\xFE{\0}\0", 6)).find("line 1: it looks like UTF-16") == 0);
}

TEST_CASE("text that is no UTF-8 is refused, and converted only from an encoding that is named") {
  const std::string csv = "place_id,name\n1,Caf\xe9\n2,\x80\x93\n";
  CHECK(records_of(csv).back().find(
            "line 2: byte 6 of the line, 0xE9, is no UTF-8; if the file is in another encoding") == 0);
  CHECK(records_of(csv, Encoding::kLatin1) == std::vector<std::string>{"2:1|Caf\u00e9|", "3:2|\u0080\u0093|"});
  CHECK(records_of(csv, Encoding::kWindows1252).back() == "3:2|\u20ac\u201c|");
  CHECK(records_of("a\n\x81\n", Encoding::kWindows1252).back() == "line 2: 0x81 is no character of windows-1252");
  CHECK(records_of("[{\"a\":\n\"\xe9\"}]").back().find("line 2: byte 2 of the line") == 0);
}

TEST_CASE("CSV places become the server's JSON, whatever the order of columns") {
  RecordMapping csv = mapping_of(place_kind(), {});
  REQUIRE(csv.set_heading({"lon", "lat", "name", "place_id"}).ok());
  const auto place = csv.from_fields({"-74.5", " +40.25", "Joe's \"Pizza\"", "p1"});
  REQUIRE(place.ok());
  CHECK(nlohmann::json::parse(*place) ==
        nlohmann::json({{"place_id", "p1"}, {"name", "Joe's \"Pizza\""}, {"lat", 40.25}, {"lon", -74.5}}));
  CHECK(csv.from_fields({"1", "2", "3"}).status().message() == "there are 3 fields for 4 columns");
  CHECK(csv.from_fields({"1", "x2", "n", "p"}).status().message() == "lat 'x2' is no number of degrees");
  CHECK(csv.from_fields({"-74,5", "40.7", "n", "p"}).status().message() ==
        "lon '-74,5' is no number of degrees; it has a decimal comma: write -74.5 with a point");
  CHECK(csv.from_fields({"-74", "5", "40", "70", "n", "p"})
            .status()
            .message()
            .find("there are 6 fields for 4 columns; a number has a decimal point and no comma") == 0);
}

TEST_CASE("a heading that makes no places is refused by column, with the option that mends it") {
  const auto why = [](const std::vector<std::string>& columns, const MappingArguments& arguments = {}) {
    return mapping_of(place_kind(), arguments).set_heading(columns).message();
  };
  CHECK(why({"place_id", "lat"}).find("there is no column 'lon' (place_id, name, lat, lon, category, attributes)") ==
        0);
  CHECK(why({"place_id", "lat", "lon", "lat"}) == "column 'lat' stands twice");
  const std::string shop = why({"id", "title", "latitude", "lng", "opened"});
  CHECK(shop.find("the columns 'id', 'title', 'latitude', 'lng', 'opened' are no fields of a place") !=
        std::string::npos);
  CHECK(shop.find("did you mean --map id=place_id,title=name,latitude=lat,lng=lon?") != std::string::npos);
  CHECK(shop.find("--ignore-extra") != std::string::npos);
  CHECK(why({"place_id", "lat", "lon", "opened"}) ==
        "the column 'opened' is no field of a place (place_id, name, lat, lon, category, attributes). What is of no "
        "use is left out with --ignore-extra, and kept as attributes with --extra-as-attributes");
  CHECK(why({"place_id", "lat", "lon", "opened"}, {.ignore_extra = true}).empty());
  CHECK(why({"id", "lat", "lon"}, {.map = {"id=place_id"}}).empty());
  CHECK(why({"place_id", "lat", "lon"}, {.map = {"id=place_id"}}).find("there is no column 'id'; there are") !=
        std::string::npos);
  CHECK(why({"u1", "p1", "2024-05-01"}).find("the first line of a CSV has to name its columns") == 0);
}

TEST_CASE("what a file has beside a place's fields becomes its attributes when that is asked for") {
  RecordMapping csv = mapping_of(place_kind(), {.map = {"title=name"}, .extra_as_attributes = true});
  REQUIRE(csv.set_heading({"place_id", "lat", "lon", "title", "price", "opening_hours"}).ok());
  CHECK(nlohmann::json::parse(*csv.from_fields({"p", "1", "2", "Joe", "4.50", ""})) ==
        nlohmann::json::parse(R"({"place_id":"p","lat":1,"lon":2,"name":"Joe","attributes":{"price":"4.50"}})"));
  CHECK(nlohmann::json::parse(*csv.from_fields({"p", "1", "2", "", "", ""})) ==
        nlohmann::json::parse(R"({"place_id":"p","lat":1,"lon":2})"));
  const RecordMapping members = mapping_of(place_kind(), {.extra_as_attributes = true});
  const auto place = members.from_json(
      R"({"type":"Feature","id":"n1","geometry":{"type":"Point","coordinates":[2,1]},"properties":{"name":"Cafe",)"
      R"("attributes":{"stars":5},"stars":4,"vegan":true,"tags":["a",1],"address":{"city":"X","geo":{"z":3}},)"
      R"("empty":null,"deep":[{"a":1}]}})");
  REQUIRE_MESSAGE(place.ok(), place.status().to_string());
  CHECK(nlohmann::json::parse(*place)["attributes"] ==
        nlohmann::json::parse(R"({"stars":5,"vegan":true,"tags":["a",1],"address.city":"X","address.geo.z":3,)"
                              R"("deep":"[{\"a\":1}]"})"));
  CHECK(RecordMapping::make(place_kind(), {.ignore_extra = true, .extra_as_attributes = true}).status().message() ==
        "--ignore-extra and --extra-as-attributes contradict each other");
}

TEST_CASE("a mapping option that says nothing is refused") {
  const auto why = [](const MappingArguments& arguments) {
    return RecordMapping::make(event_kind(), arguments).status().message();
  };
  CHECK(why({.map = {"id"}}) == "--map: 'id' is no THEIRS=OURS");
  CHECK(why({.map = {"user_id=uid"}}).find("the file's name stands first: --map uid=user_id") != std::string::npos);
  CHECK(why({.map = {"a=ts", "b=ts"}}) == "--map: 'ts' has two names");
  CHECK(why({.time_zone = "Mars/Base"}).find("'Mars/Base' is no time zone") == 0);
}

TEST_CASE("members of JSON are renamed, and their values stay as they were written") {
  const RecordMapping places =
      mapping_of(place_kind(), {.map = {"id=place_id", "geo.y=lat", "geo.x=lon"}, .ignore_extra = true});
  CHECK(*places.from_json(R"({"id":18446744073709551615,"geo":{"y":"1.5","x":2.50e0},"name":"\u0041","z":[1]})") ==
        R"({"place_id":18446744073709551615,"name":"\u0041","lat":1.5,"lon":2.50e0})");
  const RecordMapping plain = mapping_of(place_kind(), {});
  CHECK(plain.from_json(R"({"place_id":1,"lat":1,"lon":2,"z":1})")
            .status()
            .message()
            .find("the member 'z' is no field of a place") == 0);
  CHECK(plain.from_json(R"({"place_id":1,"place_id":2,"lat":1,"lon":2})").status().message() ==
        "'place_id' is given twice in one object");
  CHECK(plain.from_json("[1]").status().message() == "is no JSON object");
  CHECK(plain.from_json(R"({"lat":1,"lon":2})").status().message().find("there is no member 'place_id'") == 0);
}

TEST_CASE("a Feature of GeoJSON is a place at its point, longitude first") {
  const RecordMapping places = mapping_of(place_kind(), {.map = {"title=name"}, .ignore_extra = true});
  const auto place =
      places.from_json(R"({"type":"Feature","id":"n1","geometry":{"type":"Point","coordinates":[-74.5,40.25,3]},)"
                       R"("properties":{"title":"Cafe","lat":0,"opened":1999}})");
  REQUIRE_MESSAGE(place.ok(), place.status().to_string());
  CHECK(nlohmann::json::parse(*place) ==
        nlohmann::json({{"place_id", "n1"}, {"name", "Cafe"}, {"lat", 40.25}, {"lon", -74.5}}));
  const auto area =
      places.from_json(R"({"type":"Feature","id":1,"geometry":{"type":"Polygon","coordinates":[]},"properties":{}})");
  CHECK(area.status().message().find("its geometry is a Polygon, and a place stands at a Point") == 0);
}

TEST_CASE("a file of events is read by the mapping of a configuration, where the options say nothing else") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config =
      scratch.write("cairn.toml",
                    "[mapping]\ntype = \"click\"\ntime_format = \"seconds\"\n[mapping.fields]\ncustomer = \"user_id\"\n"
                    "\"venue.id\" = \"place_id\"\n[mapping.types]\ncheckin = \"visit\"\n");
  RecordMapping csv = mapping_of(event_kind(), {.map = {"shop=place_id"}, .config = config});
  REQUIRE(csv.set_heading({"customer", "shop", "type", "ts"}).ok());
  CHECK(*csv.from_fields({"ann", "p1", "checkin", "1714564800"}) ==
        R"({"user_id":"ann","place_id":"p1","type":"visit","ts":"2024-05-01T12:00:00Z"})");
  RecordMapping untyped = mapping_of(event_kind(), {.config = config});
  REQUIRE(untyped.set_heading({"user_id", "place_id", "ts"}).ok());  // Cairn's own words go on to count
  CHECK(*untyped.from_fields({"ann", "p1", "1714564800"}) ==
        R"({"user_id":"ann","place_id":"p1","ts":"2024-05-01T12:00:00Z","type":"click"})");
  const RecordMapping json = mapping_of(event_kind(), {.config = config});
  const auto read = nlohmann::json::parse(*json.from_json(R"({"customer":"ann","venue":{"id":"p1"},"ts":1714564800})"));
  CHECK(read ==
        nlohmann::json({{"user_id", "ann"}, {"place_id", "p1"}, {"type", "click"}, {"ts", "2024-05-01T12:00:00Z"}}));
  CHECK(RecordMapping::make(event_kind(), {.config = scratch.write("bad.toml", "[mapping]\ntime_formt = 1\n")})
            .status()
            .code() == StatusCode::kInvalidArgument);
}

TEST_CASE("events of CSV have their times and types mapped, and what is wrong in one is left to the server") {
  RecordMapping events = mapping_of(event_kind(), {.map = {"customer=user_id", "when=ts"},
                                                   .type_map = {"checkin=visit"},
                                                   .time_format = "%d.%m.%Y %H:%M",
                                                   .time_zone = "Europe/Berlin"});
  REQUIRE(events.set_heading({"customer", "place_id", "type", "when", "value"}).ok());
  CHECK(*events.from_fields({"7", "p", "checkin", "01.05.2024 14:00", ""}) ==
        R"({"user_id":"7","place_id":"p","type":"visit","ts":"2024-05-01T12:00:00Z"})");
  CHECK(*events.from_fields({"7", "p", "like", "yesterday", "many"}) ==
        R"({"user_id":"7","place_id":"p","type":"like","ts":"yesterday","value":"many"})");
}

TEST_CASE("server addresses are taken apart") {
  const auto address = [](std::string_view url) {
    const auto parsed = parse_server_url(url);
    return parsed.ok() ? parsed->host + " " + parsed->port : "refused";
  };
  CHECK(address("http://127.0.0.1:7077") == "127.0.0.1 7077");
  CHECK(address("http://cairn.example/") == "cairn.example 7077");
  CHECK(address("http://[::1]:80") == "::1 80");
  CHECK(address("http://a:65535") == "a 65535");
  for (const char* url : {"", "127.0.0.1:7077", "https://a", "http://", "http://a:b", "http://a:", "http://a/path",
                          "http://[::1", "http://user@host", "http://a:0", "http://a:65536", "http://a:84613",
                          "http://a:4294974373", "http://a:99999999999999999999", "http://a:-1", "http://a:+80"}) {
    CAPTURE(url);
    CHECK(address(url) == "refused");
  }
}

TEST_CASE("path segments are percent-encoded byte by byte") {
  CHECK(percent_encode("a/b ü?&%") == "a%2Fb%20%C3%BC%3F%26%25");
  CHECK(percent_encode("A-z_0.9~") == "A-z_0.9~");
}

TEST_CASE("tables align by characters and obey no control character") {
  Table table({{"NAME"}, {"N", Align::kRight}});
  table.add({"Café", "1"});
  table.add({"x\x1b[31m", "200"});
  CHECK(table.to_string(false) ==
        "NAME      N\n"
        "Café      1\n"
        "x?[31m  200\n");
  CHECK(table.to_string(true).find("\x1b[1mNAME      N\x1b[0m\n") == 0);
}

TEST_CASE("numbers are written for people") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(byte_text(512) == "512 B");
  CHECK(byte_text(1536) == "1.5 KiB");
  CHECK(byte_text(3ull << 30) == "3.0 GiB");
  CHECK(distance_text(321.5) == "322 m");
  CHECK(distance_text(4321) == "4.3 km");
}

TEST_CASE("a chunk holds a thousand records or a megabyte") {
  Chunk small;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(small.fits(10));
    small.add("0123456789", static_cast<std::uint64_t>(i) + 5);
  }
  CHECK(!small.fits(1));
  CHECK(small.body().size() == 11000);
  const auto [first, second] = small.halves();
  CHECK(first.size() + second.size() == 1000);
  CHECK(second.first_line() == 505);
  Chunk large;
  CHECK(large.fits(5'000'000));
  large.add(std::string(600'000, 'x'), 1);
  CHECK(!large.fits(400'000));
}
