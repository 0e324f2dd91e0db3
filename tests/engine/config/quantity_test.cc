#include "engine/config/quantity.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace cairn::config {
namespace {

TEST_CASE("durations are whole numbers with a unit") {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"20ms", 20}, {"30s", 30'000},   {"5m", 300'000},    {"12h", 43'200'000},           {"30d", 2'592'000'000},
      {"0s", 0},    {"  7 s ", 7'000}, {"1d", 86'400'000}, {"36500d", 3'153'600'000'000},
  };
  for (const auto& [text, ms] : cases) {
    CAPTURE(text);
    REQUIRE(parse_duration_ms(text).ok());
    CHECK(*parse_duration_ms(text) == ms);
  }
}

TEST_CASE("each unit is worth what it says") {
  const std::pair<const char*, std::int64_t> durations[] = {
      {"1ms", 1}, {"1s", 1'000}, {"1m", 60'000}, {"1h", 3'600'000}, {"1d", 86'400'000}};
  for (const auto& [text, ms] : durations) {
    CAPTURE(text);
    CHECK(*parse_duration_ms(text) == ms);
    CHECK(format_duration_ms(ms) == text);
  }
  const std::pair<const char*, std::int64_t> sizes[] = {{"1B", 1},
                                                        {"1KB", 1'000},
                                                        {"1MB", 1'000'000},
                                                        {"1GB", 1'000'000'000},
                                                        {"1TB", 1'000'000'000'000},
                                                        {"1KiB", 1'024},
                                                        {"1MiB", 1'048'576},
                                                        {"1GiB", 1'073'741'824},
                                                        {"1TiB", 1'099'511'627'776}};
  for (const auto& [text, bytes] : sizes) {
    CAPTURE(text);
    CHECK(*parse_size(text) == bytes);
    CHECK(format_size(bytes) == text);
  }
  CHECK(*parse_distance("1m") == 1.0);
  CHECK(*parse_distance("1km") == 1'000.0);
  CHECK(format_distance(999) == "999m");
  CHECK(format_distance(1'000) == "1km");
}

TEST_CASE("what is no duration is refused with the units there are") {
  for (const char* text : {"", "s", "30", "30 dais", "1.5h", "-1s", "30S", "1h30m", "99999999999999999999s",
                           "9999999999999999d", "1..s", "+1s"}) {
    CAPTURE(text);
    const auto parsed = parse_duration_ms(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().message().find("units: ms, s, m, h, d") != std::string::npos);
  }
}

TEST_CASE("a duration reads back as it was written, in the largest unit that fits") {
  CHECK(format_duration_ms(0) == "0ms");
  CHECK(format_duration_ms(1'500) == "1500ms");
  CHECK(format_duration_ms(60'000) == "1m");
  CHECK(format_duration_ms(90'000) == "90s");
  CHECK(format_duration_ms(86'400'000) == "1d");
  for (const std::int64_t ms : {0LL, 1LL, 999LL, 61'000LL, 3'600'000LL, 172'800'000LL}) {
    CHECK(*parse_duration_ms(format_duration_ms(ms)) == ms);
  }
}

TEST_CASE("KB is a thousand bytes, KiB is 1024") {
  CHECK(*parse_size("1KB") == 1'000);
  CHECK(*parse_size("1KiB") == 1'024);
  CHECK(*parse_size("64MiB") == 67'108'864);
  CHECK(*parse_size("1GB") == 1'000'000'000);
  CHECK(*parse_size("2TiB") == 2'199'023'255'552);
  CHECK(*parse_size("512B") == 512);
  CHECK(format_size(67'108'864) == "64MiB");
  CHECK(format_size(1'000'000) == "1MB");
  CHECK(format_size(1'023) == "1023B");
  CHECK(format_size(0) == "0B");
  for (const char* text : {"64", "64M", "64mb", "1.5GiB", "9000000000TiB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text).ok());
  }
}

TEST_CASE("distances are in meters, written in kilometres where nothing is lost") {
  CHECK(*parse_distance("800m") == 800.0);
  CHECK(*parse_distance("2.5km") == 2'500.0);
  CHECK(format_distance(50'000) == "50km");
  CHECK(format_distance(2'500) == "2.5km");
  CHECK(format_distance(0.25) == "0.25m");
  CHECK(format_distance(20'040'000) == "20040km");
  for (const char* text : {"5", "5 miles", "km", "1.2.3km"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_distance(text).ok());
  }
}

TEST_CASE("a day is a date of the calendar") {
  CHECK(format_day(*parse_day("2000-02-29")) == "2000-02-29");
  CHECK(parse_day("1970-01-02")->time_since_epoch().count() == 1);
  for (const char* text : {"2001-02-29", "2000-13-01", "2000-00-10", "2000-1-1", "20000101", "", "2000-01-0x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_day(text).ok());
  }
}

TEST_CASE("an address to listen on is numeric and has a port") {
  CHECK(parse_listen("127.0.0.1:7077")->port == 7077);
  CHECK(parse_listen("localhost:1")->address == "127.0.0.1");
  CHECK(parse_listen("[::1]:0")->address == "::1");
  CHECK(format_listen(*parse_listen("[::1]:80")) == "[::1]:80");
  CHECK(parse_listen("127.9.9.9:1")->loopback());
  CHECK(parse_listen("[::1]:1")->loopback());
  CHECK_FALSE(parse_listen("0.0.0.0:1")->loopback());
  CHECK_FALSE(parse_listen("[::]:1")->loopback());
  for (const char* text : {"", "7077", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80",
                           "example.org:80", "[127.0.0.1]:80", "300.0.0.1:80", "127.0.0.1:80x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_listen(text).ok());
  }
}

}  // namespace
}  // namespace cairn::config
