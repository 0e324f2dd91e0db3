#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cairn/byte_text.h"
#include "tools/cairn/chunk.h"
#include "tools/cairn/csv.h"
#include "tools/cairn/http_client.h"
#include "tools/cairn/output.h"

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

TEST_CASE("CSV places become the server's JSON, whatever the order of columns") {
  const auto csv = PlaceCsv::from_header("lon,lat,name,place_id");
  REQUIRE(csv.ok());
  const auto place = csv->to_json("-74.5,40.25,\"Joe's \"\"Pizza\"\"\",p1");
  REQUIRE(place.ok());
  CHECK(nlohmann::json::parse(*place) ==
        nlohmann::json({{"place_id", "p1"}, {"name", "Joe's \"Pizza\""}, {"lat", 40.25}, {"lon", -74.5}}));
  CHECK(csv->to_json("1,2,3").status().message() == "there are 3 fields for 4 columns");
  CHECK(csv->to_json("1,x2,n,p").status().message() == "lat 'x2' is no number of degrees");
}

TEST_CASE("a CSV heading that makes no places is refused by column") {
  CHECK(PlaceCsv::from_header("place_id,lat").status().message() == "column 'lon' is missing");
  CHECK(PlaceCsv::from_header("place_id,lat,lon,lat").status().message() == "column 'lat' stands twice");
  CHECK(PlaceCsv::from_header("id,lat,lon").status().message().find("unknown column 'id'") == 0);
}

TEST_CASE("server addresses are taken apart") {
  const auto address = [](std::string_view url) {
    const auto parsed = parse_server_url(url);
    return parsed.ok() ? parsed->host + " " + parsed->port : "refused";
  };
  CHECK(address("http://127.0.0.1:7077") == "127.0.0.1 7077");
  CHECK(address("http://cairn.example/") == "cairn.example 7077");
  CHECK(address("http://[::1]:80") == "::1 80");
  for (const char* url : {"", "127.0.0.1:7077", "https://a", "http://", "http://a:b", "http://a:", "http://a/path",
                          "http://[::1", "http://user@host"}) {
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
