#include "streaming/mapping.h"
#include "streaming/zone.h"

#include <doctest/doctest.h>

#include <string>

#include "cairn/rfc3339.h"
#include "streaming/decode.h"
#include "streaming/event_times.h"
#include "streaming/field_names.h"
#include "streaming/json_members.h"
#include "tests/streaming/nearly_events.h"

namespace cairn::streaming {
namespace {

/// A decoder of events in other words.
struct Mapped {
  explicit Mapped(MappingOptions mapping) : decoder(types, with(std::move(mapping)), clock) {}

  static DecodeOptions with(MappingOptions mapping) {
    DecodeOptions options;
    options.mapping = std::move(mapping);
    REQUIRE(check_mapping(options.mapping, InteractionTypes()).ok());
    return options;
  }
  Reject decode(std::string_view payload) {
    const Padded padded(payload);
    return decoder.decode(padded.view(), &got);
  }

  const InteractionTypes types;
  ManualClock clock{event_time_from_ms(1714566600000)};  // 2024-05-01T12:30:00Z
  Decoder decoder;
  Interaction got;
};

MappingOptions shop_events() {
  return {.fields = {{"customer_id", "user_id"}, {"venue.id", "place_id"}, {"event", "type"}, {"when", "ts"}},
          .types = {{"checkin", "visit"}, {"7", "save"}},
          .type = {},
          .time_format = "seconds",
          .time_zone = {}};
}

std::string ms_text(const std::optional<EventTime>& time) { return time ? std::to_string(to_ms(*time)) : "none"; }

TEST_CASE("a zone says how far its clocks are ahead of UTC at an instant") {
  const EventTime winter = event_time_from_ms(1'704'067'200'000);  // 2024-01-01T00:00:00Z
  CHECK((*streaming::Zone::find("UTC"))->ahead_at(winter) == std::chrono::minutes(0));
  CHECK((*streaming::Zone::find("+05:30"))->ahead_at(winter) == std::chrono::minutes(330));
  CHECK((*streaming::Zone::find("-03:00"))->ahead_at(winter) == std::chrono::minutes(-180));
  const auto berlin = streaming::Zone::find("Europe/Berlin");
  if (!berlin.ok()) return;  // this build knows no names
  CHECK((*berlin)->ahead_at(winter) == std::chrono::minutes(60));
  // Summer time of 2024 began on 31 March at 01:00 UTC.
  CHECK((*berlin)->ahead_at(event_time_from_ms(1'711'846'800'000)) == std::chrono::minutes(120));
  CHECK((*berlin)->ahead_at(event_time_from_ms(1'711'846'799'999)) == std::chrono::minutes(60));
}

TEST_CASE("an event in other words is read by the mapping") {
  Mapped bench(shop_events());
  REQUIRE(bench.decode(R"({"event":"checkin","venue":{"name":"x","id":12.0},"customer_id":"c\u0031",)"
                       R"("when":1714564800.25,"type":"web"})") == Reject::kNone);
  CHECK(bench.got.user == UserId("c1"));
  CHECK(bench.types.name(bench.got.type) == "visit");
  CHECK(to_ms(bench.got.time) == 1714564800250);
  REQUIRE(bench.decode(R"({"event":7,"venue.id":"p","customer_id":1,"when":"1714564800"})") == Reject::kNone);
  CHECK(bench.types.name(bench.got.type) == "save");
  CHECK(bench.got.place == PlaceId("p"));
}

TEST_CASE("an event in the contract's own words is read beside it") {
  Mapped bench(shop_events());
  REQUIRE(bench.decode(R"({"user_id":"u","place_id":"p","type":"rate","ts":"2024-05-01T12:00:00Z","value":4})") ==
          Reject::kNone);
  CHECK(bench.got.user == UserId("u"));
  CHECK(bench.got.value == 4.0);
  CHECK(bench.types.name(bench.got.type) == "rate");
}

TEST_CASE("a name that is mapped is no longer the contract's field of that name") {
  Mapped bench({.fields = {{"place_id", "user_id"}, {"item", "place_id"}}, .type = "visit"});
  REQUIRE(bench.decode(R"({"place_id":"u","item":"p","ts":1714564800000})") == Reject::kNone);
  CHECK(bench.got.user == UserId("u"));
  CHECK(bench.got.place == PlaceId("p"));
  CHECK(bench.types.name(bench.got.type) == "visit");
  CHECK(bench.decode(R"({"place_id":"u","ts":1714564800000})") == Reject::kMissingField);
}

TEST_CASE("what a mapped event lacks or has wrong is refused like any other") {
  Mapped bench(shop_events());
  CHECK(bench.decode(R"({"event":"checkin","venue":{"id":[1]},"customer_id":"c","when":1})") == Reject::kBadId);
  CHECK(bench.decode(R"({"event":"like","venue":{"id":1},"customer_id":"c","when":1714564800})") ==
        Reject::kUnknownType);
  CHECK(bench.decode(R"({"event":"checkin","venue":7,"customer_id":"c","when":1714564800})") == Reject::kMissingField);
  CHECK(bench.decode(R"({"event":"checkin","venue":{"id":1},"customer_id":"c","when":null})") == Reject::kMissingField);
  CHECK(bench.decode(R"({"event":"checkin","event":"x"})") == Reject::kDuplicateKey);
  CHECK(bench.decode(R"({"event":"checkin","venue":{"id":1},"client":"c","when":1})") == Reject::kMissingField);
  CHECK(bench.decoder.detail().find("it has the unknown member 'client'; 'client': did you mean 'user_id'?") !=
        std::string::npos);  // what is mapped is known
}

TEST_CASE(
    "an impossible time that was read by the mapping is not taken for one in another unit, or without an offset") {
  Mapped seconds(shop_events());
  CHECK(seconds.decode(R"({"event":"checkin","venue":{"id":1},"customer_id":"c","when":1714564800000})") ==
        Reject::kImpossibleTime);
  CHECK(seconds.decoder.detail().find("raise decode.future_max") != std::string::npos);
  CHECK(seconds.decoder.detail().find("milliseconds are meant") == std::string::npos);
  Mapped local({.time_zone = "+02:00"});
  CHECK(local.decode(R"({"user_id":"u","place_id":"p","type":"view","ts":"1999-05-01 12:00"})") ==
        Reject::kImpossibleTime);
  CHECK(local.decoder.detail().find("set decode.time_min to an earlier day") != std::string::npos);
  CHECK(local.decoder.detail().find("has no offset") == std::string::npos);
}

TEST_CASE("a mapping that cannot be meant is refused by its key") {
  const auto why = [](MappingOptions mapping) { return check_mapping(mapping, InteractionTypes()).message(); };
  CHECK(why({.fields = {{"a", "user"}}}).find("mapping.fields.a: 'user' is no field of an event; there are user_id") ==
        0);
  CHECK(why({.fields = {{"a", "ts"}, {"b", "ts"}}}).find("mapping.fields.b: 'ts' has another name") == 0);
  CHECK(why({.types = {{"checkin", "vist"}}}).find("mapping.types.checkin: 'vist' is no type") == 0);
  CHECK(why({.type = "vist"}).find("mapping.type: 'vist'") == 0);
  CHECK(why({.time_format = "unix"}).find("mapping.time_format: 'unix' is no time format") == 0);
  CHECK(why({.time_format = "%Y-%m-%d"}).find("mapping.time_format: time format '%Y-%m-%d' has no offset") == 0);
  CHECK(why({.time_format = "%Y-%m-%d", .time_zone = "UTC"}).empty());
  CHECK(why({.time_format = "%F %T %z"}).empty());
  CHECK(why({.time_format = "%H:%M"}).find("gives no date") != std::string::npos);
  CHECK(why({.time_format = "%Y-%m-%d %Z"}).find("%Z") != std::string::npos);
  CHECK(why({.time_zone = "Europe/Berlim"}).find("mapping.time_zone: 'Europe/Berlim' is no time zone") == 0);
}

// The instants were computed with GNU date: TZ=Europe/Berlin date -d '2024-05-01 14:00' +%s
TEST_CASE("times without an offset are those of the zone") {
  const auto berlin = EventTimes::make("", "Europe/Berlin");
  REQUIRE_MESSAGE(berlin.ok(), berlin.status().to_string());
  CHECK(ms_text(berlin->read_text("2024-05-01 14:00")) == "1714564800000");
  CHECK(ms_text(berlin->read_text("2024-05-01T14:00:00.5")) == "1714564800500");
  CHECK(ms_text(berlin->read_text("2024-01-01")) == "1704063600000");
  CHECK(ms_text(berlin->read_text("2024-05-01T14:00:00Z")) == "1714572000000");  // an offset counts
  // Twice a year the clocks are set: the first of two, and the instant at which an hour is left out.
  CHECK(ms_text(berlin->read_text("2024-10-27 02:30")) == "1729989000000");
  CHECK(ms_text(berlin->read_text("2024-03-31 02:30")) == "1711846800000");
  // date -u -d 2026-03-29T01:00:00Z +%s; so that nothing is put after what happened later.
  CHECK(ms_text(berlin->read_text("2026-03-29 01:59:59.999")) == "1774745999999");
  CHECK(ms_text(berlin->read_text("2026-03-29 02:00")) == "1774746000000");
  CHECK(ms_text(berlin->read_text("2026-03-29 02:30")) == "1774746000000");
  CHECK(ms_text(berlin->read_text("2026-03-29 03:00")) == "1774746000000");
  // A leap second is the first instant of the next minute here too.
  CHECK(ms_text(berlin->read_text("2026-03-29 01:59:60")) == "1774746000000");
  CHECK(ms_text(berlin->read_text("2024-05-01T13:59:60.5")) == "1714564800000");
  const auto fixed = EventTimes::make("", "+05:30");
  REQUIRE(fixed.ok());
  CHECK(ms_text(fixed->read_text("2024-05-01 17:30:00")) == "1714564800000");
  const auto none = EventTimes::make("", "");
  CHECK(ms_text(none->read_text("2024-05-01 14:00")) == "none");
}

TEST_CASE("times are read by a pattern, with fractions of a second and with offsets") {
  const auto german = EventTimes::make("%d.%m.%Y %H:%M:%S", "Europe/Berlin");
  REQUIRE(german.ok());
  CHECK(ms_text(german->read_text("01.05.2024 14:00:00")) == "1714564800000");
  CHECK(ms_text(german->read_text("1.5.2024 14:00:00.25")) == "1714564800250");
  CHECK(ms_text(german->read_text("31.02.2024 14:00:00")) == "none");
  CHECK(ms_text(german->read_text("01.05.2024 14:00:00 x")) == "none");
  CHECK(ms_text(german->read_text("01.05.2024")) == "none");
  const auto common_log = EventTimes::make("%d/%b/%Y:%T %z", "");
  REQUIRE(common_log.ok());
  CHECK(ms_text(common_log->read_text("01/May/2024:14:00:00 +0200")) == "1714564800000");
  const auto american = EventTimes::make("%m/%d/%y %I:%M %p", "UTC");
  REQUIRE(american.ok());
  CHECK(ms_text(american->read_text("05/01/24 12:00 PM")) == "1714564800000");
}

TEST_CASE("of a time that is not read it is told how it could be") {
  const auto pattern = [](const char* text) {
    const std::string hint = time_hint(text, true);
    const std::size_t begin = hint.find("it reads as '") == 0 ? 13 : std::string::npos;
    return begin == std::string::npos ? hint : hint.substr(begin, hint.find("'", begin) - begin);
  };
  CHECK(time_hint("01.05.2024 14:00", true) ==
        "it reads as '%d.%m.%Y %H:%M': set time_format to that, and time_zone (--time-format, --time-zone)");
  CHECK(time_hint("2024/05/01 14:00:00 +0200", true) ==
        "it reads as '%Y/%m/%d %H:%M:%S %z': set time_format to that (--time-format)");
  CHECK(pattern("1.5.24") == "%d.%m.%y");
  CHECK(pattern("31-12-2024 23:59:59") == "%d-%m-%Y %H:%M:%S");
  CHECK(pattern("05/31/2024 2:00 PM") == "%m/%d/%Y %I:%M %p");
  CHECK(pattern("31/05/2024 14:00") == "%d/%m/%Y %H:%M");
  CHECK(pattern("5/1/24 14:00") == "%m/%d/%y %H:%M");
  CHECK(pattern("2024-5-1 9:05") == "%Y-%m-%d %H:%M");
  CHECK(pattern("2024.05.01T14:00:00.250") == "%Y.%m.%dT%H:%M:%S");
  CHECK(pattern("2024-05-01") ==
        "it is a day: send the time too, or set time_zone (--time-zone) by whose clock it begins");
  for (const char* text :
       {"yesterday", "", "1.2.3.4", "32.13.2024", "2024-13-01", "40/40/2024", "1//2", "./.", "May 1"}) {
    CAPTURE(text);
    CHECK(time_hint(text, true).empty());
  }
}

TEST_CASE("numbers are read in their unit, and fractions of seconds to the millisecond") {
  const auto read = [](const char* format, const char* number) {
    return ms_text(EventTimes::make(format, "").value().read_number(number));
  };
  CHECK(read("", "1714564800000") == "1714564800000");
  CHECK(read("milliseconds", "1714564800000.0") == "1714564800000");
  CHECK(read("milliseconds", "1714564800000.5") == "none");
  CHECK(read("seconds", "1714564800") == "1714564800000");
  CHECK(read("seconds", "1714564800.123") == "1714564800123");
  CHECK(read("seconds", "9223372036854775807") == "none");
  CHECK(read("microseconds", "1714564800123456") == "1714564800123");
  CHECK(read("nanoseconds", "1714564800123456789") == "1714564800123");
  CHECK(ms_text(EventTimes::make("", "").value().read_field("1714564800000")) == "1714564800000");
  CHECK(ms_text(EventTimes::make("seconds", "").value().read_field("1714564800.5")) == "1714564800500");
}

TEST_CASE("members of an object are found as they stand") {
  const auto members = json_members(R"( { "a" : {"x":"}"} ,"b\"":[1,{"c":2}],"c": -1.50e3,"d":"," ,"e":null} )");
  REQUIRE(members.size() == 5);
  CHECK(members[0].value == R"({"x":"}"})");
  CHECK(members[1].key == R"("b\"")");
  CHECK(members[1].value == R"([1,{"c":2}])");
  CHECK(members[2].value == "-1.50e3");
  CHECK(members[3].value == "\",\"");
  CHECK(members[4].value == "null");
  CHECK(json_members("{}").empty());
}

TEST_CASE("a field is guessed by what others call it, and by a slip of the keyboard") {
  CHECK(likely_field("customer_id") == "user_id");
  CHECK(likely_field("VenueID") == "place_id");
  CHECK(likely_field("Timestamp") == "ts");
  CHECK(likely_field("longitude") == "lon");
  CHECK(likely_field("user_di") == "user_id");
  CHECK(likely_field("colour").empty());
  CHECK(likely_field("").empty());
}

}  // namespace
}  // namespace cairn::streaming
