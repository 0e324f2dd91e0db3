// Events in plain words are decoded by a way of their own. It must never be seen: what comes out is what the decoder
// that builds documents makes of the same payload, to the last bit, whatever the payload is and whatever stands behind
// it.
#include "streaming/simdjson/plain_event.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "streaming/decode.h"
#include "streaming/simdjson/dom_decoder.h"
#include "streaming/simdjson/quote_scan.h"
#include "tests/streaming/nearly_events.h"
#include "tests/support/skip.h"

namespace cairn::streaming {
namespace {

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

/// Both decoders, given the same payloads.
class Pair {
 public:
  /// Checks that both make the same of `payload`, also of what they leave behind. Returns: the verdict.
  Reject compare(std::string_view payload, std::string_view padding = "\"}]9e,\\{") {
    const Padded padded(payload, padding);
    const Reject by_document = documents_.decode(padded.view(), &expected_);
    const Reject got = decoder_.decode(padded.view(), &got_);
    INFO("payload: ", payload, "\npadding: ", padding, "\ndetail: ", documents_.detail());
    REQUIRE(to_string(got) == to_string(by_document));
    REQUIRE(decoder_.detail() == documents_.detail());
    REQUIRE(got_.user == expected_.user);
    REQUIRE(got_.place == expected_.place);
    REQUIRE(got_.type == expected_.type);
    REQUIRE(got_.time == expected_.time);
    REQUIRE(got_.event_id == expected_.event_id);
    REQUIRE(got_.value.has_value() == expected_.value.has_value());
    REQUIRE(got_.position.has_value() == expected_.position.has_value());
    if (got_.value) REQUIRE(bits(*got_.value) == bits(*expected_.value));
    if (got_.position) {
      REQUIRE(bits(got_.position->lat) == bits(expected_.position->lat));
      REQUIRE(bits(got_.position->lon) == bits(expected_.position->lon));
    }
    PlainEvent plain;
    plain_ += plain.read(padded.view());
    return got;
  }

  /// How many payloads were in plain words: those that the two decoders judge by different code.
  [[nodiscard]] int plain() const { return plain_; }

 private:
  const InteractionTypes types_ =
      InteractionTypes::with_declared({"share", "viewed_for_long", std::string("nod\0", 4), "tap"}).value();
  const ManualClock clock_{event_time_from_ms(1714566600000)};  // 2024-05-01T12:30:00Z
  Decoder decoder_{types_, {}, clock_};
  DomDecoder documents_{types_, {}, clock_};
  Interaction got_;
  Interaction expected_;
  int plain_ = 0;
};

std::string event(const std::string& ts, const std::string& extra) {
  return R"({"user_id":"u1","place_id":"p1","type":"visit","ts":)" + ts + extra + "}";
}

const std::vector<std::string> kWhole = {
    event("1714566600000", R"(,"lat":51.507351,"lon":-0.127758,"event_id":"e12345")"),
    event(R"("2024-03-01T12:34:56.789Z")", R"(,"value":4.5,"lat":-0.0,"lon":0)"),
    event("946684800000", R"(, "value" : 3 , "source" : "app", "new" : true, "x": null)"),
    R"({"event_id":null,"ts":"2024-03-01T12:34:56Z","type":"share","place_id":1234567890123456789,"user_id":0})",
    R"({ "user_id": "018f3b0a-1d5e-7c44-a1b2-0242ac120002", "place_id": "p", "type": "tap", "ts": 1714566600000 } )",
    event("1714566600000", ",\"user\":\"gr\xc3\xbc\xc3\x9f" + std::string(R"(e","value":123456789012)")),
};

TEST_CASE("events of the usual forms are in plain words") {
  for (const std::string& text : kWhole) {
    INFO(text);
    PlainEvent plain;
    CHECK(plain.read(Padded(text).view()));
    Pair pair;
    CHECK(pair.compare(text) == Reject::kNone);
  }
}

TEST_CASE("an event cut anywhere is judged as what is there, though the rest stands in its padding") {
  Pair pair;
  for (const std::string& text : kWhole) {
    for (std::size_t size = 0; size <= text.size(); ++size) {
      pair.compare(text.substr(0, size), text.substr(size) + text);
      for (const char* padding : {" ", "0", "9", "\"", "}", ",", ".5", "\\", "\x80", "null", "e1"}) {
        pair.compare(text.substr(0, size), padding);
      }
    }
  }
  CHECK(pair.plain() > 60);  // the whole ones, and those that only lack white space
}

TEST_CASE("a byte put, changed or taken anywhere is judged alike") {
  Pair pair;
  const std::string bytes = std::string(1, '\0') + "\x01\t\n\r \"\\,:{}[]-+./0123456789eEuntf\x7f\x80\xc3\xff";
  for (const std::string& text : kWhole) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      for (const char byte : bytes) {
        std::string changed = text;
        changed[at] = byte;
        pair.compare(changed);
        pair.compare(text.substr(0, at) + byte + text.substr(at));
      }
      pair.compare(text.substr(0, at) + text.substr(at + 1));
    }
  }
  CHECK(pair.plain() > 10'000);
}

TEST_CASE("values that are hard to read are judged alike in every field") {
  const std::vector<std::string> values = {"0",
                                           "-0",
                                           "0.0",
                                           "-0.0",
                                           "-",
                                           "--1",
                                           "- 1",
                                           "+1",
                                           "01",
                                           "-01",
                                           "00",
                                           "1.",
                                           ".5",
                                           "-.5",
                                           "1..2",
                                           "1.2.3",
                                           "1e5",
                                           "1E5",
                                           "1e",
                                           "1e+",
                                           "1.5e3",
                                           "1.5e-400",
                                           "1e999",
                                           "-1e999",
                                           "0x10",
                                           "1_0",
                                           "NaN",
                                           "Infinity",
                                           "9007199254740992",
                                           "9007199254740993",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "-9223372036854775808",
                                           "-9223372036854775809",
                                           "9999999999999999999",
                                           "10000000000000000000",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "99999999999999999999",
                                           "123456789012345678901234567890",
                                           "0.1",
                                           "0.30000000000000004",
                                           "51.507351000000001",
                                           "51.5073510000000010000000",
                                           "0.000000000000000000001",
                                           "1.7976931348623157",
                                           "90",
                                           "90.0",
                                           "90.00000000000001",
                                           "90.000000000000000001",
                                           "-90.0",
                                           "180",
                                           "-180.0",
                                           "180.00000000000003",
                                           "9007199254740993.0",
                                           "9007199254740993.5",
                                           "9007199254.740993",
                                           "900719925474099.35",
                                           "1234567.12345678",
                                           "12345678.1234567",
                                           "12345678.12345678",
                                           "123456789.123456789",
                                           "1234567890123456789.5",
                                           "0.1234567890123456789",
                                           "0.12345678901234567890",
                                           "2.2250738585072011",
                                           "null",
                                           "true",
                                           "false",
                                           "nul",
                                           "nulll",
                                           "tru",
                                           "truee",
                                           "falsee",
                                           "fals",
                                           "True",
                                           "[]",
                                           "{}",
                                           "[1]",
                                           "{\"a\":1}",
                                           "\"\"",
                                           "\"a\"",
                                           "\"view\"",
                                           "\"viewed_for_long\"",
                                           "\"click\"",
                                           "\"clickclick\"",
                                           "\"share\"",
                                           "\"tap\"",
                                           "\"nod\"",
                                           "\"VIEW\"",
                                           "\"a\\u0000\"",
                                           "\"\\\"\"",
                                           "\"\\\\\"",
                                           "\"a\" \"b\"",
                                           "'a'",
                                           "\"\x7f\"",
                                           "\"\xc3\xa9\"",
                                           "\"\xc3\"",
                                           "\"\xed\xa0\x80\"",
                                           "\"\xf0\x9f\x98\x80\"",
                                           "\"2024-05-01T12:00:00Z\"",
                                           "\"2024-05-01T12:00:00.5Z\"",
                                           "\"2024-05-01T12:00:60Z\"",
                                           "\"2024-05-01T12:00:00.000+00:00\"",
                                           "\"2024-02-30T12:00:00Z\"",
                                           "\"1999-12-31T23:59:59.999Z\"",
                                           "\"2024-05-02T12:30:00.000Z\"",
                                           "\"2024-05-02T12:30:00.001Z\"",
                                           "1714653000000",
                                           "1714653000001",
                                           "946684799999",
                                           "946684800000",
                                           "",
                                           "\"" + std::string(128, 'i') + "\"",
                                           "\"" + std::string(129, 'i') + "\"",
                                           "\"" + std::string(900, 'i') + "\""};
  const std::string parts[] = {"\"user_id\":\"u\"", "\"place_id\":\"p\"", "\"type\":\"view\"", "\"ts\":1714566600000"};
  Pair pair;
  for (const std::string& value : values) {
    for (const std::string_view name : kFieldNames) {
      std::string text = "{\"" + std::string(name) + "\":" + value;
      for (const std::string& part : parts) {
        if (!part.starts_with("\"" + std::string(name) + "\"")) text += "," + part;
      }
      pair.compare(text + "}");
      pair.compare(text + ",\"lat\":1.5}");
      pair.compare(text + ",\"lon\":1.5}");
      pair.compare(text + ",\"other\":" + value + "}");
    }
  }
  CHECK(pair.plain() > 1'000);
}

TEST_CASE("doubled and unknown keys are judged alike, however many there are") {
  Pair pair;
  const std::vector<std::string> keys = {
      "",     "a",        "b",         "user_id", "user_i", "user_idd", "place_id", "ts",        "t",
      "tss",  "event_id", "event_idd", "lat",     "lon",    "a b",      "abcdefgh", "abcdefghi", "type",
      "Type", "value",    "a\\u0062",  "\\u0061", "\x7f",   "\xc3\xa9", "user\xff"};
  const std::uint64_t seed = 7;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string extra;
    for (std::uint64_t n = random() % 8; n > 0; --n) extra += ",\"" + keys[random() % keys.size()] + "\":1";
    pair.compare(event("1714566600000", extra));
  }
  CHECK(pair.plain() > 2'000);
}

TEST_CASE("any number with a point is the double that the other parser reads") {
  const std::uint64_t seed = 11;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const auto digits = [&](std::uint64_t count) {
    std::string text;
    while (text.size() < count) text += static_cast<char>('0' + random() % 10);
    return text;
  };
  Pair pair;
  for (int i = 0; i < 50'000; ++i) {
    std::string whole = digits(1 + random() % (i % 10 == 0 ? 20 : 4));
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
    const std::string sign = random() % 2 == 0 ? "-" : "";
    const std::string number = sign + whole + "." + digits(1 + random() % (i % 7 == 0 ? 24 : 9));
    pair.compare(event("1714566600000", ",\"value\":" + number + ",\"lat\":" + number + ",\"lon\":" + number));
  }
  CHECK(pair.plain() > 30'000);
}

TEST_CASE("generated and damaged events are judged alike") {
  const std::uint64_t seed = 99;
  INFO("seed ", seed);
  NearlyEvents events(seed);
  Pair pair;
  for (int i = 0; i < 60'000; ++i) pair.compare(events.next());
  CHECK(pair.plain() > 2'000);
}

/// What one instruction set finds, as text to compare.
template <class Set>
std::string found_by(std::string_view text) {
  QuoteScan scan;
  if (!scan.scan<Set>(text)) return "no";
  std::string places = scan.ascii() ? "ascii" : "not ascii";
  for (std::size_t i = 0; i < scan.count(); ++i) places += " " + std::to_string(scan[i]);
  return places + " " + std::to_string(scan[scan.count()]);
}

TEST_CASE("every instruction set finds the same quotes") {
#if defined(__x86_64__)
  const std::uint64_t seed = 5;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw");
  if (!avx2) test::skip_part("this machine has no AVX2");
  if (!avx512) test::skip_part("this machine has no AVX-512");
  int found = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::uint64_t one_in = 1 + random() % 60;
    const bool odd = random() % 4 == 0;
    std::string text;
    for (std::uint64_t size = random() % 1100; text.size() < size;) {
      const char byte = static_cast<char>(odd && random() % 100 == 0 ? random() : 'a' + random() % 26);
      text += random() % one_in == 0 ? '"' : byte;
    }
    const Padded padded(text);
    const std::string expected = found_by<ScanPortable>(padded.view());
    found += expected != "no";
    INFO(text);
    REQUIRE(found_by<ScanSse2>(padded.view()) == expected);
    if (avx2) REQUIRE(found_by<ScanAvx2>(padded.view()) == expected);
    if (avx512) REQUIRE(found_by<ScanAvx512>(padded.view()) == expected);
  }
  CHECK(found > 5'000);
#else
  test::skip("this machine's instruction sets have no scans of their own");
#endif
}

}  // namespace
}  // namespace cairn::streaming
