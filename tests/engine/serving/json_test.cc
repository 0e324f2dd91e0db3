#include <doctest/doctest.h>

#include <bit>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <variant>

#include "engine/serving/json/fields.h"
#include "engine/serving/json/value.h"
#include "engine/serving/json/writer.h"
#include "tests/support/mentions.h"

using namespace cairn;
using namespace cairn::serving::json;
using cairn::test::mentions;

namespace {

std::string message_of(std::string_view text) {
  const Result<Value> parsed = parse(text);
  REQUIRE(!parsed.ok());
  CHECK(parsed.status().code() == StatusCode::kInvalidArgument);
  return parsed.status().message();
}

/// Every digit and the kind of every value.
std::string told(const Value& value) {
  struct Teller {
    std::string operator()(std::nullptr_t) const { return "null"; }
    std::string operator()(bool is) const { return is ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return "i" + std::to_string(number); }
    std::string operator()(std::uint64_t number) const { return "u" + std::to_string(number); }
    std::string operator()(double number) const { return "d" + std::to_string(std::bit_cast<std::uint64_t>(number)); }
    std::string operator()(const std::string& text) const { return "'" + text + "'"; }
    std::string operator()(const Value::Array& array) const {
      std::string all = "[";
      for (const Value& element : array) all += told(element) + ",";
      return all + "]";
    }
    std::string operator()(const Value::Object& members) const {
      std::string all = "{";
      for (const Member& member : members) all += member.name + ":" + told(member.value) + ",";
      return all + "}";
    }
  };
  return std::visit(Teller(), value.data);
}

/// JSON, and here and there something that nearly is.
class Scribbler {
 public:
  explicit Scribbler(std::uint64_t seed) : random_(seed) {}

  std::string text() {
    std::string all = value(0);
    for (std::uint64_t i = random_() % 3; i > 0 && random_() % 2 == 0; --i) {
      all[random_() % all.size()] = static_cast<char>(random_() % 256);
    }
    return all;
  }

 private:
  std::string one_of(std::initializer_list<const char*> choices) { return choices.begin()[random_() % choices.size()]; }

  std::string value(int depth) {
    const std::string space = one_of({"", "", " ", "\n\t"});
    const std::uint64_t kind = random_() % (depth > 4 ? 3 : 5);
    if (kind == 0) {
      return space + one_of({"0",
                             "-0",
                             "7",
                             "-12",
                             "1.5",
                             "1001.0",
                             "1e3",
                             "-2.50",
                             "9007199254740993",
                             "1e999",
                             "-0.0",
                             "18446744073709551615",
                             "18446744073709551616",
                             "-9223372036854775809",
                             "0.1",
                             "1e-400",
                             "4503599627370497.25",
                             "1001.0000000000000001",
                             "01",
                             ".5",
                             "40.712776"});
    }
    if (kind == 1) return space + one_of({"true", "false", "null", "nul"});
    if (kind == 2) {
      return space + one_of({R"("")", R"("a")", R"("b\n\"")", R"("\u00e9")", R"("\udc00")", R"("\ud83d\ude00")",
                             "\"\xC3\xA9\"", "\"\xED\xA0\x80\"", R"("\u0000")", "\"\t\"", R"("\x")"});
    }
    std::string inside;
    for (std::uint64_t i = random_() % 4; i > 0; --i) {
      if (!inside.empty()) inside += ",";
      if (kind == 3) inside += one_of({R"("a":)", R"("b" :)", R"("c":)", R"("d":)", R"("\u0061":)"});
      inside += value(depth + 1);
    }
    return space + (kind == 3 ? "{" + inside + "}" : "[" + inside + "]");
  }

  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("what is no JSON is refused with the byte it goes wrong at") {
  CHECK(mentions(message_of(R"({"a":1,})"), "byte 8"));
  CHECK(mentions(message_of("{\"a\":1} x"), "byte 9"));
  CHECK(mentions(message_of("{\"a\":\"\xC3\x28\"}"), "UTF-8"));
  CHECK(mentions(message_of("{\"a\":\"\xED\xA0\x80\"}"), "UTF-8"));
  for (const char* text : {"", "  ", "{", "[1", "{\"a\":NaN}", "{\"a\":01}", "// c\n{}", "{'a':1}", "nul"}) {
    CAPTURE(text);
    CHECK(!parse(text).ok());
  }
}

TEST_CASE("a number beyond double is refused") { CHECK(mentions(message_of(R"({"a":1e999})"), "1e999")); }

TEST_CASE("a name given twice is refused, also when one is escaped") {
  CHECK(mentions(message_of(R"({"a":1,"a":2})"), "'a' is given twice"));
  CHECK(mentions(message_of(R"({"a":1,"\u0061":2})"), "'a' is given twice"));
}

TEST_CASE("a NUL does not end the text") {
  using namespace std::string_literals;
  for (const std::string& text : {"{\"a\":1}\0"s, "{\"a\":1}\0{\"b\":2}"s, "[1\0]"s, "\0{}"s, "{\"a\0\":1}"s}) {
    CAPTURE(text);
    CHECK(mentions(message_of(text), "NUL"));
  }
}

TEST_CASE("NUL in a string is refused") { CHECK(mentions(message_of(R"({"a":"x\u0000y"})"), "NUL")); }

TEST_CASE("nesting and members are bounded") {
  CHECK(parse(std::string(32, '[') + std::string(32, ']')).ok());
  CHECK(mentions(message_of(std::string(33, '[') + std::string(33, ']')), "nested"));
  CHECK(mentions(message_of(std::string(1'000'000, '[')), "nested"));
  std::string members = "{\"m\":0";
  for (int i = 1; i < 256; ++i) members += ",\"m" + std::to_string(i) + "\":0";
  CHECK(parse(members + "}").ok());
  CHECK(mentions(message_of(members + ",\"one more\":0}"), "an object has more than 256 members"));
}

TEST_CASE("a text means the same whichever parser reads it") {
  const std::uint64_t seed = 20260;
  INFO("seed ", seed);
  const std::string long_blank(70'000, ' ');  // too long for the quick one
  Scribbler scribbler(seed);
  int understood = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string text = scribbler.text();
    CAPTURE(text);
    const Result<Value> one = parse(text);
    const Result<Value> other = parse(text + long_blank);
    REQUIRE(one.ok() == other.ok());
    if (!one.ok()) continue;
    ++understood;
    REQUIRE(told(*one) == told(*other));
  }
  CHECK(understood > 2'000);
}

TEST_CASE("integers keep every digit") {
  const Result<Value> parsed =
      parse("[9007199254740993, -9223372036854775808, 18446744073709551615, 1.5, 1001.0, 4503599627370497.25]");
  REQUIRE(parsed.ok());
  const auto& array = *parsed->as<Value::Array>();
  CHECK(*array[0].as<std::int64_t>() == 9007199254740993);
  CHECK(*array[1].as<std::int64_t>() == INT64_MIN);
  CHECK(*array[2].as<std::uint64_t>() == UINT64_MAX);
  CHECK(*array[3].as<double>() == 1.5);
  CHECK(*array[4].as<std::int64_t>() == 1001);  // however it is written
  CHECK(array[5].as<double>() != nullptr);      // whole only as a double
}

TEST_CASE("an array's elements are cut out byte for byte") {
  const std::string text = R"( [ {"a":"]},[\"\\"} , [1,[2]],3 ,"x" ] )";
  const auto elements = split_array(text);
  REQUIRE(elements.ok());
  CHECK(*elements == std::vector<std::string_view>{R"({"a":"]},[\"\\"})", "[1,[2]]", "3", "\"x\""});
  CHECK(split_array("[]")->empty());
  CHECK(split_array(" [ ] ")->empty());
}

TEST_CASE("a malformed array is refused") {
  for (const char* text : {"[", "[1", "[1,]", "[,1]", "[1,,2]", "[1]]", "[1] 2", "[{]}", "[\"a]", "[\"a\\\"]", "{}"}) {
    CAPTURE(text);
    const auto elements = split_array(text);
    REQUIRE(!elements.ok());
    CHECK(mentions(elements.status().message(), "byte"));
  }
}

TEST_CASE("what the writer writes, another library reads back") {
  Writer out;
  out.begin_object();
  out.key("text").text("\"\\\b\n\r\t\x01 ü 日本 \xF0\x9F\x98\x80 \x7F");
  out.key("broken").text("a\xC3(\xFF");
  out.key("number").number(0.1).key("large").number(1e300).key("nan").number(0.0 / 0.0);
  out.key("min").integer(INT64_MIN).key("max").unsigned_integer(UINT64_MAX);
  out.key("list").begin_array().boolean(true).boolean(false).null().begin_array().end_array().end_array();
  out.key("empty").begin_object().end_object();
  out.end_object();
  const auto read = nlohmann::json::parse(std::move(out).take());
  CHECK(read["text"] == "\"\\\b\n\r\t\x01 ü 日本 \xF0\x9F\x98\x80 \x7F");
  CHECK(read["broken"] == "a\xEF\xBF\xBD(\xEF\xBF\xBD");
  CHECK(read["number"] == 0.1);
  CHECK(read["large"] == 1e300);
  CHECK(read["nan"].is_null());
  CHECK(read["min"] == INT64_MIN);
  CHECK(read["max"] == UINT64_MAX);
  CHECK(read["list"].dump() == "[true,false,null,[]]");
  CHECK(read["empty"].empty());
}

TEST_CASE("doubles of every magnitude survive writing") {
  const unsigned seed = 20240501;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const double value = std::ldexp(std::uniform_real_distribution<double>(-1, 1)(random),
                                    std::uniform_int_distribution<int>(-1000, 1000)(random));
    Writer out;
    out.number(value);
    CHECK(std::stod(std::move(out).take()) == value);
  }
}

TEST_CASE("an unknown field is named with its nearest neighbour") {
  const Result<Value> value = parse(R"({"limti":5})");
  Fields fields(*value, "");
  CHECK(!fields.integer("limit", 1, 10));
  CHECK(fields.text("source") == std::nullopt);
  CHECK(fields.finish().message() == "unknown field 'limti'; did you mean 'limit'?");
}

TEST_CASE("a field of another kind is named") {
  const Result<Value> value = parse(R"({"flag":1,"id":-1})");
  Fields flags(*value, "thing");
  CHECK(flags.flag("flag", true));
  CHECK(flags.finish().message() == "thing: flag must be true or false, not an integer");
  Fields ids(*value, "");
  CHECK(!ids.id("id"));
  CHECK(mentions(ids.finish().message(), "id must be a string of 1 to 128 bytes"));
}

TEST_CASE("null counts as absent") {
  const Result<Value> value = parse(R"({"a":null,"b":null})");
  Fields fields(*value, "");
  CHECK(!fields.text("a"));
  CHECK(fields.required_id("b").empty());
  CHECK(fields.finish().message() == "b is required");
}

TEST_CASE("a leap second is the first instant of the next minute, as it is for the decoder of events") {
  // date -u -d 2017-01-01T00:00:00Z +%s
  for (const char* second : {"2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.000Z"}) {
    CAPTURE(second);
    const Result<Value> value = parse(R"({"t":")" + std::string(second) + R"("})");
    Fields fields(*value, "");
    CHECK(fields.time("t") == event_time_from_ms(1'483'228'800'000));
  }
}
