#include "cairn/rfc3339.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <ctime>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

std::optional<std::int64_t> ms_of(std::string_view text) {
  const std::optional<EventTime> time = parse_rfc3339(text);
  return time ? std::optional(to_ms(*time)) : std::nullopt;
}

TEST_CASE("times that RFC 3339 allows are read to the millisecond") {
  // Expected values: date -u -d TEXT +%s.
  struct Case {
    std::string_view text;
    std::int64_t ms;
  };
  const Case cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1985-04-12T23:20:50.52Z", 482196050520},    // RFC 3339, section 5.8
      {"1996-12-19T16:39:57-08:00", 851042397000},  // the same
      {"1990-12-31T23:59:60Z", 662688000000},       // of 1991-01-01T00:00:00Z: EventTime has no leap seconds
      {"1990-12-31T15:59:60-08:00", 662688000000},
      {"1937-01-01T12:00:27.87+00:20", -1041337172130},
      {"2012-04-03T18:00:09Z", 1333476009000},
      {"2012-04-03t18:00:09z", 1333476009000},
      {"2012-04-03 18:00:09Z", 1333476009000},
      {"2012-04-03T18:00:09.1Z", 1333476009100},
      {"2012-04-03T18:00:09.12Z", 1333476009120},
      {"2012-04-03T18:00:09.123Z", 1333476009123},
      {"2012-04-03T18:00:09.1239999999999999999999Z", 1333476009123},
      {"2012-04-03T18:00:09+23:59", 1333389669000},
      {"2012-04-03T18:00:09-00:00", 1333476009000},
      {"2000-02-29T00:00:00Z", 951782400000},
      {"2024-02-29T23:59:59.999Z", 1709251199999},
      {"1969-12-31T23:59:59.999Z", -1},
      {"0000-01-01T00:00:00Z", -62167219200000},
      {"9999-12-31T23:59:59Z", 253402300799000},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(ms_of(c.text) == c.ms);
  }
}

TEST_CASE("what RFC 3339 does not allow is no time") {
  const std::string_view texts[] = {"",
                                    "2012",
                                    "2012-04-03",
                                    "2012-04-03T18:00:09",       // no zone
                                    "2012-04-03T18:00Z",         // no seconds
                                    "2012-04-03T18:00:09+01",    // no minutes in the zone
                                    "2012-04-03T18:00:09+0100",  // no colon in the zone
                                    "2012-04-03T18:00:09.Z",     // a point and no digit
                                    "2012-04-03T18:00:09,5Z",    // ISO 8601's comma
                                    "2012-04-03T18:00:61Z",
                                    "2012-04-03T18:60:00Z",
                                    "2012-04-03T24:00:00Z",
                                    "2012-04-31T00:00:00Z",
                                    "2012-13-01T00:00:00Z",
                                    "2012-00-01T00:00:00Z",
                                    "2012-01-00T00:00:00Z",
                                    "2013-02-29T00:00:00Z",
                                    "1900-02-29T00:00:00Z",  // no leap year
                                    "2012-04-03T18:00:09+24:00",
                                    "2012-04-03T18:00:09+00:60",
                                    "2012-4-3T18:00:09Z",
                                    "12-04-03T18:00:09Z",
                                    "+2012-04-03T18:00:09Z",
                                    "2012-04-03T18:00:09Z ",
                                    " 2012-04-03T18:00:09Z",
                                    "2012-04-03T18:00:09ZZ",
                                    "2012-04-03_18:00:09Z",
                                    "2012/04/03T18:00:09Z",
                                    "20120403T180009Z",
                                    "2012-W14-2T18:00:09Z",
                                    "1333476009000"};
  for (const std::string_view text : texts) {
    INFO(text);
    CHECK_FALSE(ms_of(text).has_value());
  }
  CHECK_FALSE(ms_of(std::string_view("2012-04-03T18:00:09Z\0", 21)).has_value());
}

TEST_CASE("events around a leap second keep their order") {
  const std::vector<std::string_view> in_order = {"2016-12-31T23:59:59.999Z", "2016-12-31T23:59:60Z",
                                                  "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.000Z",
                                                  "2017-01-01T00:00:00.001Z"};
  std::vector<std::int64_t> times;
  for (const std::string_view text : in_order) times.push_back(ms_of(text).value());
  // date -u -d 2017-01-01T00:00:00Z +%s
  CHECK(times == std::vector<std::int64_t>{1483228799999, 1483228800000, 1483228800000, 1483228800000, 1483228800001});
  CHECK(ms_of("2016-12-31T12:34:60.999Z") == ms_of("2016-12-31T12:35:00Z"));
}

TEST_CASE("the usual form in UTC is read as the same time with its zone as numbers is, whatever is wrong with it") {
  // The usual form has a way of its own, which a zone in numbers does not take.
  const std::uint32_t seed = 3339;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const auto number = [&](int one_more_than, const char* format) {
    char text[16];
    std::snprintf(text, sizeof text, format, static_cast<int>(random() % static_cast<unsigned>(one_more_than)));
    return std::string(text);
  };
  int times = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string text = number(10'000, "%04d") + "-" + number(14, "%02d") + "-" + number(33, "%02d") + "T" +
                       number(25, "%02d") + ":" + number(61, "%02d") + ":" + number(62, "%02d");
    if (random() % 2 == 0) text += "." + number(1000, "%03d");
    if (random() % 4 == 0) text[random() % text.size()] = static_cast<char>(random());
    const std::optional<std::int64_t> usual = ms_of(text + "Z");
    INFO(text);
    REQUIRE(usual == ms_of(text + "+00:00"));
    times += usual.has_value();
  }
  CHECK(times > 50'000);
}

TEST_CASE("any time of four-digit years agrees with the C library's calendar") {
  const std::uint32_t seed = 20240501;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t seconds = static_cast<std::int64_t>(random() % 315569520000) - 62167219200;
    const int ms = static_cast<int>(random() % 1000);
    const int zone = static_cast<int>(random() % 2879) - 1439;
    const std::time_t local = seconds + zone * 60;
    std::tm tm{};
    REQUIRE(gmtime_r(&local, &tm) != nullptr);
    if (tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999) continue;
    char text[96];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03d%c%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms, zone < 0 ? '-' : '+', std::abs(zone) / 60,
                  std::abs(zone) % 60);
    INFO(text);
    CHECK(ms_of(text) == seconds * 1000 + ms);
  }
}

TEST_CASE("times are written so that they read back") {
  CHECK(format_rfc3339(event_time_from_ms(0)) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(event_time_from_ms(0), Rfc3339Fraction::kAlways) == "1970-01-01T00:00:00.000Z");
  CHECK(format_rfc3339(event_time_from_ms(1714564800123)) == "2024-05-01T12:00:00.123Z");
  CHECK(format_rfc3339(event_time_from_ms(1714564800007)) == "2024-05-01T12:00:00.007Z");
  CHECK(format_rfc3339(event_time_from_ms(-1)) == "1969-12-31T23:59:59.999Z");
  CHECK(format_rfc3339(kRfc3339Min) == "0000-01-01T00:00:00Z");
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> any(to_ms(kRfc3339Min), to_ms(kRfc3339Max));
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t ms = any(random);
    INFO(ms);
    CHECK(ms_of(format_rfc3339(event_time_from_ms(ms))) == ms);
    CHECK(format_rfc3339(event_time_from_ms(ms), Rfc3339Fraction::kAlways).size() == 24);
  }
}

TEST_CASE("a time that RFC 3339 cannot write becomes the nearest one it can") {
  CHECK(format_rfc3339(event_time_from_ms(INT64_MAX)) == "9999-12-31T23:59:59.999Z");
  CHECK(format_rfc3339(event_time_from_ms(INT64_MIN)) == "0000-01-01T00:00:00Z");
}

}  // namespace
}  // namespace cairn
