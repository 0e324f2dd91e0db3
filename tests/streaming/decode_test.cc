#include "streaming/decode.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/streaming/decode_oracle.h"
#include "tests/streaming/nearly_events.h"

namespace cairn::streaming {
namespace {

constexpr std::int64_t kNowMs = 1714566600000;  // 2024-05-01T12:30:00Z

class Bench {
 public:
  Reject decode(std::string_view payload) {
    const Padded padded(payload);
    return decoder.decode(padded.view(), &got);
  }

  const InteractionTypes types = InteractionTypes::with_declared({"share"}).value();
  DecodeOptions options;
  ManualClock clock{event_time_from_ms(kNowMs)};
  Decoder decoder{types, options, clock};
  Interaction got;
};

std::string event_with(std::string_view extra) {
  return R"({"user_id":"u","place_id":"p","type":"view","ts":1714566600000)" +
         (extra.empty() ? std::string() : "," + std::string(extra)) + "}";
}

TEST_CASE("an event with every field is decoded to what it says") {
  Bench bench;
  const std::string payload =
      R"( {"event_id":"e\u0031","lon":-0.1276,"lat":51.5072,"value":4.5,"ts":"2024-05-01T14:00:00.250+02:00",)"
      R"("type":"rate","place_id":18446744073709551615,"user_id":"gr\u00fc\u00dfe","unknown":{"ts":[1,{"a":null}]}} )";
  REQUIRE(bench.decode(payload) == Reject::kNone);
  CHECK(bench.got.user == UserId("grüße"));
  CHECK(bench.got.place == PlaceId("18446744073709551615"));
  CHECK(bench.types.name(bench.got.type) == "rate");
  CHECK(to_ms(bench.got.time) == 1714564800250);  // 12:00:00.250Z
  CHECK(bench.got.value == 4.5);
  CHECK(bench.got.position == GeoPoint{51.5072, -0.1276});
  CHECK(bench.got.event_id == "e1");
}

TEST_CASE("an event_id that is a whole number is the text of it, in whatever way it is written") {
  Bench bench;
  // Plain events are read by one parser, those with an escape or an exponent by another.
  for (const std::string other : {"", R"("\u0078":1,)"}) {
    for (const char* number : {"1001", "1001.0", "1.001e3", "\"1001\""}) {
      CAPTURE(other);
      CAPTURE(number);
      REQUIRE(bench.decode(event_with(other + "\"event_id\":" + number)) == Reject::kNone);
      CHECK(bench.got.event_id == "1001");
    }
  }
  REQUIRE(bench.decode(event_with("\"event_id\":18446744073709551615")) == Reject::kNone);
  CHECK(bench.got.event_id == "18446744073709551615");
}

TEST_CASE("a leap second is the first instant of the next minute, as it is for the HTTP API's times") {
  Bench bench;
  // date -u -d 2017-01-01T00:00:00Z +%s
  for (const char* second : {"2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.000Z"}) {
    CAPTURE(second);
    const std::string ts = second;
    REQUIRE(bench.decode(R"({"user_id":"u","place_id":"p","type":"view","ts":")" + ts + R"("})") == Reject::kNone);
    CHECK(bench.got.time == event_time_from_ms(1'483'228'800'000));
  }
}

TEST_CASE("what an event leaves out does not linger from the one before") {
  Bench bench;
  REQUIRE(bench.decode(event_with(R"("value":1,"lat":1,"lon":2,"event_id":"e")")) == Reject::kNone);
  REQUIRE(bench.decode(event_with("")) == Reject::kNone);
  CHECK_FALSE(bench.got.value);
  CHECK_FALSE(bench.got.position);
  CHECK(bench.got.event_id.empty());
}

TEST_CASE("an event of exactly the largest size is decoded, one byte more is too much") {
  // Plain events and those with an escape are read by two parsers, and each has the bound.
  for (const std::string start : {R"("x":")", R"("\u0078":")"}) {
    CAPTURE(start);
    const auto event_of = [&](std::size_t size) {
      const std::size_t rest = event_with(start + "\"").size();
      return event_with(start + std::string(size - rest, 'y') + "\"");
    };
    Bench bench;
    REQUIRE(event_of(65'536).size() == 65'536);
    CHECK(bench.decode(event_of(65'536)) == Reject::kNone);
    CHECK(bench.decode(event_of(65'537)) == Reject::kOversized);
  }
}

TEST_CASE("each way of being wrong has its reason and says where") {
  struct Case {
    Reject reject;
    std::string payload;
    std::string_view detail;  ///< part of it
  };
  const std::string id128(128, 'x');
  const std::string id129(129, 'x');
  const auto users = [](const std::string& id) {
    return R"({"user_id":)" + id + R"(,"place_id":"p","type":"view","ts":1714566600000})";
  };
  const auto at = [](const std::string& ts) {
    return R"({"user_id":"u","place_id":"p","type":"view","ts":)" + ts + "}";
  };
  const auto of_type = [](const std::string& type) {
    return R"({"user_id":"u","place_id":"p","ts":1714566600000,"type":)" + type + "}";
  };
  const Case cases[] = {
      {Reject::kNone, event_with(""), ""},
      {Reject::kOversized, event_with(R"("x":")" + std::string(65536, ' ') + "\""), "65536"},

      {Reject::kMalformedJson, "", "empty"},
      {Reject::kMalformedJson, " \t\r\n", "empty"},
      {Reject::kMalformedJson, "{", ""},
      {Reject::kMalformedJson, event_with("") + "x", ""},
      {Reject::kMalformedJson, event_with("") + "{}", ""},
      {Reject::kMalformedJson, event_with("") + std::string(1, '\0'), ""},
      {Reject::kNone, "\xEF\xBB\xBF" + event_with(""), ""},
      {Reject::kMalformedJson, "\xEF\xBB\xBF", "empty"},
      {Reject::kMalformedJson, " \xEF\xBB\xBF" + event_with(""), ""},
      {Reject::kMalformedJson, event_with("\"x\":tru"), ""},
      {Reject::kMalformedJson, event_with("\"x\":01"), ""},
      {Reject::kMalformedJson, event_with("\"x\":1."), ""},
      {Reject::kMalformedJson, event_with("\"x\":+1"), ""},
      {Reject::kMalformedJson, event_with("\"x\":NaN"), ""},
      {Reject::kMalformedJson, event_with("\"value\":1e999"), ""},
      {Reject::kMalformedJson, event_with("\"x\":'a'"), ""},
      {Reject::kMalformedJson, event_with("\"x\":1,"), ""},
      {Reject::kMalformedJson, event_with("x:1"), ""},
      {Reject::kMalformedJson, event_with("\"x\":\"\x01\""), ""},
      {Reject::kMalformedJson, event_with("\"x\":\"\xff\""), "byte 69 is no UTF-8; send UTF-8"},
      {Reject::kMalformedJson, event_with("\"x\":\"\xed\xa0\x80\""), ""},  // a surrogate in UTF-8
      {Reject::kMalformedJson, event_with("\"x\":\"\xc0\x80\""), ""},      // an overlong NUL
      {Reject::kMalformedJson, event_with("\"x\":\"\\ud800\""), ""},
      {Reject::kMalformedJson, event_with("\"x\":\"\\q\""), ""},
      {Reject::kMalformedJson, event_with("\"x\":" + std::string(2000, '[') + std::string(2000, ']')), ""},
      {Reject::kMalformedJson, "[1,2", ""},
      {Reject::kMalformedJson, "1,2", "more than one"},
      {Reject::kMalformedJson, "1],[2", ""},
      {Reject::kMalformedJson, "nul", ""},
      {Reject::kMalformedJson, "}", ""},

      {Reject::kNotAnObject, "[]", "array"},
      {Reject::kNotAnObject, "[" + event_with("") + "]", "array"},
      {Reject::kNotAnObject, " null ", "null"},
      {Reject::kNotAnObject, "\"{}\"", "'{}'"},
      {Reject::kNotAnObject, "-1.5e3", "-1500"},
      {Reject::kNotAnObject, "true", "true"},
      {Reject::kNotAnObject, "18446744073709551616", ""},

      {Reject::kDuplicateKey, event_with(R"("user_id":"u")"), "user_id"},
      {Reject::kDuplicateKey, event_with(R"("user\u005fid":"u")"), "user_id"},
      {Reject::kDuplicateKey, event_with(R"("x":1,"y":2,"\u0078":3)"), "'x'"},
      {Reject::kDuplicateKey, event_with(R"("value":null,"value":null)"), "value"},
      {Reject::kNone, event_with(R"("x":{"a":1,"a":2})"), ""},  // nested objects are nobody's business here

      {Reject::kMissingField, "{}", "user_id"},
      {Reject::kMissingField, R"({"user_id":"u","type":"view","ts":1714566600000})", "place_id"},
      {Reject::kMissingField, R"({"user_id":"u","place_id":"p","ts":1714566600000})", "type"},
      {Reject::kMissingField, R"({"user_id":"u","place_id":"p","type":"view"})", "ts"},
      {Reject::kMissingField, R"({"USER_ID":"u","place_id":"p","type":"view","ts":1714566600000})",
       "field 'user_id': is missing; it has the unknown member 'USER_ID'; 'USER_ID': did you mean 'user_id'?"},
      {Reject::kMissingField, R"({"x":1,"customer_id":"u","place_id":"p","type":"view","ts":1714566600000})",
       "it has the unknown members 'customer_id', 'x'; 'customer_id': did you mean 'user_id'?"},
      {Reject::kMissingField, R"({"x":1,"place_id":"p","type":"view","ts":1714566600000})",
       "is missing; it has the unknown member 'x'"},

      {Reject::kNone, users("\"" + id128 + "\""), ""},
      {Reject::kBadId, users("\"" + id129 + "\""), "user_id"},
      {Reject::kBadId, users("\"\""), "user_id"},
      {Reject::kBadId, users(R"("a\u0000b")"), "NUL"},
      {Reject::kNone, users("0"), ""},
      {Reject::kBadId, users("-1"), "-1"},
      {Reject::kNone, users("1.0"), ""},
      {Reject::kNone, users("1e3"), ""},
      {Reject::kNone, users("9007199254740991.0"), ""},                       // 2^53 - 1
      {Reject::kBadId, users("9007199254740992.0"), "9007199254740992.0"},    // a double may have been rounded to it
      {Reject::kBadId, users("4503599627370497.25"), "4503599627370497.25"},  // whole as a double
      {Reject::kBadId, users("1001.5"), "field 'user_id': 1001.5 is neither"},
      {Reject::kBadId, users("-1.0"), "-1.0"},
      {Reject::kBadId, users("1E-3"), "1E-3"},
      {Reject::kBadId, users("18446744073709551616"), ""},
      {Reject::kBadId, users("null"), "null"},
      {Reject::kBadId, users("true"), "true"},
      {Reject::kBadId, users("[]"), "array"},
      {Reject::kBadId, users("{}"), "object"},
      // Wide integers elsewhere are nobody's business, and touch no neighbour.
      {Reject::kNone, event_with(R"("x":99999999999999999999999,"s":"\"99999999999999999999999")"), ""},
      {Reject::kNone,
       R"({"x":-99999999999999999999,"user_id":9223372036854775808,"place_id":1,"type":"view","ts":"2024-05-01T00:00:00Z"})",
       ""},

      {Reject::kNone, of_type("\"share\""), ""},
      {Reject::kUnknownType, of_type("\"View\""), "map it to one in [mapping.types] (--type-map THEIRS=OURS)"},
      {Reject::kUnknownType, of_type("\"\""), "type"},
      {Reject::kUnknownType, of_type("0"), "type"},
      {Reject::kUnknownType, of_type("null"), "type"},

      {Reject::kBadTime, at("\"yesterday\""), "yesterday"},
      {Reject::kNone, at("1714566600000.0"), ""},
      {Reject::kBadTime, at("1714566600000.5"), "1714566600000.5 is not"},
      {Reject::kBadTime, at("1714566600.25"), "it looks like seconds"},
      {Reject::kImpossibleTime, at("1714566600000000"), "it looks like microseconds"},
      {Reject::kImpossibleTime, at("1714566600000000000"), "it looks like nanoseconds"},
      {Reject::kBadTime, at("\"2024-05-01 12:00:00\""), "has no offset"},
      {Reject::kBadTime, at("\"2024-05-01T12:00\""), "has no offset"},
      {Reject::kBadTime, at("\"01.05.2024 12:00\""), "it reads as '%d.%m.%Y %H:%M': set time_format to that"},
      {Reject::kBadTime, at("null"), "ts"},
      {Reject::kBadTime, at("\"1714566600000\""), "milliseconds in quotes"},
      {Reject::kNone, at("946684800000"), ""},  // 2000-01-01T00:00:00Z, the earliest
      {Reject::kImpossibleTime, at("946684799999"), "earliest"},
      {Reject::kImpossibleTime, at("-9223372036854775808"), "earliest"},
      {Reject::kImpossibleTime, at("1714566600"),
       "1714566600 lies before the earliest time; it looks like seconds, and "
       "milliseconds are meant"},
      {Reject::kImpossibleTime, at("9999999999"), "milliseconds are meant"},
      {Reject::kImpossibleTime, at("999999999"),
       "999999999 lies before the earliest time, 2000-01-01; to take it, set decode.time_min to an earlier day"},
      {Reject::kNone, at("1714653000000"), ""},  // a day ahead
      {Reject::kImpossibleTime, at("1714653000001"),
       "field 'ts': 1714653000001 lies too far in the future: more than 24 h ahead of this server's clock "
       "(2024-05-01T12:30:00Z); set the sender's clock right, or raise decode.future_max"},
      {Reject::kImpossibleTime, at("\"9999-12-31T23:59:59Z\""), "future"},
      {Reject::kImpossibleTime, at("9223372036854775807"), "future"},
      {Reject::kImpossibleTime, at("9223372036854775808"), "future"},

      {Reject::kNone, event_with(R"("value":null,"lat":null,"lon":null,"event_id":null)"), ""},
      {Reject::kNone, event_with(R"("value":-1e-400)"), ""},
      {Reject::kNone, event_with(R"("value":1000000000000)"), ""},
      {Reject::kNone, event_with(R"("value":-1e12)"), ""},
      {Reject::kBadValue, event_with(R"("value":1000000000001)"),
       "field 'value': 1000000000001 is not in [-1e12, 1e12]"},
      {Reject::kBadValue, event_with(R"("value":-1000000000000.25)"), "[-1e12, 1e12]"},
      {Reject::kBadValue, event_with(R"("value":99999999999999999999)"), "[-1e12, 1e12]"},
      {Reject::kBadValue, event_with(R"("value":1e308)"), "[-1e12, 1e12]"},
      {Reject::kBadValue, event_with(R"("value":"5")"), "field 'value': '5' is no number; send it without the quotes"},
      {Reject::kBadValue, event_with(R"("value":"-4.50")"), "send it without the quotes"},
      {Reject::kBadValue, event_with(R"("value":"-4,50")"), "it has a decimal comma: write -4.50 with a point"},
      {Reject::kBadValue, event_with(R"("value":false)"), "false"},
      {Reject::kBadValue, event_with(R"("value":[5])"), "value"},

      {Reject::kNone, event_with(R"("lat":-90,"lon":180)"), ""},
      {Reject::kBadPosition, event_with(R"("lat":91.2,"lon":0)"), "field 'lat': 91.2 is not in [-90, 90]"},
      {Reject::kBadPosition, event_with(R"("lat":-122.4,"lon":37.8)"),
       "field 'lat': -122.4 is not in [-90, 90]; are lat and lon exchanged?"},
      {Reject::kBadPosition, event_with(R"("lat":0,"lon":-180.0001)"), "lon"},
      {Reject::kBadPosition, event_with(R"("lat":0)"), "without 'lon'"},
      {Reject::kBadPosition, event_with(R"("lon":0,"lat":null)"), "without 'lat'"},
      {Reject::kBadPosition, event_with(R"("lat":"0","lon":"0")"), "lat"},
      {Reject::kBadPosition, event_with(R"("lat":"40,70","lon":0)"),
       "field 'lat': '40,70' is no number; it has a decimal comma: write 40.70 with a point"},

      {Reject::kBadEventId, event_with(R"("event_id":"")"), "event_id"},
      {Reject::kNone, event_with(R"("event_id":1)"), ""},
      {Reject::kBadEventId, event_with(R"("event_id":1.5)"),
       "field 'event_id': 1.5 is neither a string nor an unsigned"},
      {Reject::kBadEventId, event_with(R"("event_id":-1)"), "-1"},
      {Reject::kBadEventId, event_with(R"("event_id":[1])"), "array"},
      {Reject::kBadEventId, event_with("\"event_id\":\"" + id129 + "\""), "..."},
  };
  Bench bench;
  for (const Case& c : cases) {
    INFO(c.payload.substr(0, 200));
    const Reject got = bench.decode(c.payload);
    CHECK(to_string(got) == to_string(c.reject));
    if (got == Reject::kNone) continue;
    INFO(bench.decoder.detail());
    CHECK_FALSE(bench.decoder.detail().empty());
    CHECK(bench.decoder.detail().find(c.detail) != std::string::npos);
  }
}

TEST_CASE("text that is no number, and looks like none, is given no advice") {
  Bench bench;
  for (const char* text : {"", "five", "-", ",", "4,", ",5", "1.2.3", "1,2,3", "1.234,5", "4 ,5"}) {
    CAPTURE(text);
    CHECK(bench.decode(event_with(R"("value":")" + std::string(text) + "\"")) == Reject::kBadValue);
    CHECK(bench.decoder.detail() == "field 'value': '" + std::string(text) + "' is no number");
  }
}

TEST_CASE("the decoder goes on unharmed after any rejection") {
  Bench bench;
  for (const std::string_view bad : {"", "{", "[1]", "\"x", "{}", "{\"a\":1,\"a\":2}", "nul"}) {
    CHECK(bench.decode(bad) != Reject::kNone);
    REQUIRE(bench.decode(event_with("")) == Reject::kNone);
    CHECK(bench.got.user == UserId("u"));
  }
}

TEST_CASE("many unknown keys are compared fast and one repeat among them is found") {
  Bench bench;
  std::string extra;
  for (int i = 0; i < 5000; ++i) extra += "\"k" + std::to_string(i) + "\":0,";
  CHECK(bench.decode(event_with(extra + "\"z\":0")) == Reject::kNone);
  CHECK(bench.decode(event_with(extra + "\"k1234\":0")) == Reject::kDuplicateKey);
  CHECK(bench.decoder.detail().find("k1234") != std::string::npos);
}

TEST_CASE("generated and damaged events are judged as another parser and the contract judge them") {
  const std::uint64_t seed = 42;
  INFO("seed ", seed);
  NearlyEvents generator(seed);
  Bench bench;
  int seen[kRejects] = {};
  for (int i = 0; i < 60'000; ++i) {
    const std::string payload = generator.next();
    Interaction expected;
    const Reject reject = oracle_decode(payload, bench.types, bench.options, bench.clock.now(), &expected);
    const Reject got = bench.decode(payload);
    ++seen[static_cast<int>(got)];
    if (got == reject && got != Reject::kNone) continue;
    INFO("event ", i, ": ", payload);
    INFO("detail: ", bench.decoder.detail());
    REQUIRE(to_string(got) == to_string(reject));
    REQUIRE(bench.got.user == expected.user);
    REQUIRE(bench.got.place == expected.place);
    REQUIRE(bench.got.type == expected.type);
    REQUIRE(bench.got.time == expected.time);
    REQUIRE(bench.got.value == expected.value);
    REQUIRE(bench.got.position == expected.position);
    REQUIRE(bench.got.event_id == expected.event_id);
    REQUIRE(bench.got.retracts == expected.retracts);
  }
  // The generator reaches every verdict that a decoder gives on events of this size.
  for (int r = 0; r < kRejects; ++r) {
    const auto reject = static_cast<Reject>(r);
    if (reject == Reject::kOversized || reject == Reject::kTruncatedGzip || reject == Reject::kNotAnObject ||
        reject == Reject::kDamagedBatch || reject == Reject::kMismatchedRetraction)
      continue;
    INFO(to_string(reject));
    CHECK(seen[r] > 0);
  }
}

}  // namespace
}  // namespace cairn::streaming
