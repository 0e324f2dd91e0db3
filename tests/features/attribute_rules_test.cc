#include "features/attribute_rules.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace cairn;
using cairn::features::AttributeRules;

namespace {

using List = std::vector<AttributeScalar>;

const AttributeRules& rules() {
  static const AttributeRules all({{"price", AttributeType::kNumber},
                                   {"vegan", AttributeType::kBoolean},
                                   {"cuisine", AttributeType::kList},
                                   {"opening_hours", AttributeType::kHours},
                                   {"kitchen_closes", AttributeType::kTime},
                                   {"code", AttributeType::kString}},
                                  [](const std::string& zone) { return zone == "Europe/Berlin"; });
  return all;
}

template <class Value>
std::string conformed(const std::string& name, Value value) {
  Attributes attributes{{name, std::move(value)}};
  const Status status = rules().conform(&attributes);
  return status.ok() ? to_json(attributes) : status.message();
}

}  // namespace

TEST_CASE("text that fits a declared type is taken for it") {
  CHECK(conformed("price", std::string(" 4.50 ")) == R"({"price":4.5})");
  CHECK(conformed("price", 4.0) == R"({"price":4})");
  CHECK(conformed("vegan", std::string("Yes")) == R"({"vegan":true})");
  CHECK(conformed("vegan", std::string("0")) == R"({"vegan":false})");
  CHECK(conformed("cuisine", std::string("thai; lao;")) == R"({"cuisine":["thai","lao"]})");
  CHECK(conformed("cuisine", List{std::string("thai"), 3.0, true}) == R"({"cuisine":["thai",3,true]})");
  CHECK(conformed("kitchen_closes", std::string("8:30")) == R"({"kitchen_closes":"08:30"})");
  CHECK(conformed("kitchen_closes", std::string("21:30:00")) == R"({"kitchen_closes":"21:30"})");
  CHECK(conformed("opening_hours", std::string("Mo-Fr 08:00-18:00")) == R"({"opening_hours":"Mo-Fr 08:00-18:00"})");
  CHECK(conformed("time_zone", std::string("Europe/Berlin")) == R"({"time_zone":"Europe/Berlin"})");
  CHECK(conformed("free", std::string("00501")) == R"({"free":"00501"})");
}

TEST_CASE("a value that does not fit its declared type is refused with the text") {
  CHECK(conformed("price", std::string("cheap")) ==
        "attribute 'price' is declared as number, and is 'cheap'; write one such as 4.5");
  CHECK(conformed("price", std::string("nan")).find("is declared as number") != std::string::npos);
  CHECK(conformed("vegan", 2.0) ==
        "attribute 'vegan' is declared as boolean, and is a number; write true, false, yes or no");
  CHECK(conformed("code", 501.0) == "attribute 'code' is declared as string, and is a number; write a text");
  CHECK(conformed("kitchen_closes", std::string("25:00")).find("write one such as 08:30") != std::string::npos);
  CHECK(
      conformed("opening_hours", std::string("Mo-Fr 8-18")) ==
      "attribute 'opening_hours' is no opening hours that can be read: 'Mo-Fr 8-18', column 7: a time such as 08:00 is "
      "expected");
  CHECK(conformed("time_zone", std::string("Mars")).find("is no time zone: 'Mars'") != std::string::npos);
}

TEST_CASE("hours that cannot be read are kept where that was chosen") {
  const AttributeRules lenient({{"opening_hours", AttributeType::kHours, OnUnreadable::kUnknown}});
  Attributes attributes{{"opening_hours", std::string("call us")}};
  CHECK(lenient.conform(&attributes).ok());
  CHECK(to_json(attributes) == R"({"opening_hours":"call us"})");
}

TEST_CASE("attributes come into order, each name once, within their bounds") {
  Attributes two{{"b", 1.0}, {"a", true}};
  REQUIRE(rules().conform(&two).ok());
  CHECK(to_json(two) == R"({"a":true,"b":1})");
  REQUIRE(find_attribute(two, "b") != nullptr);
  CHECK(find_attribute(two, "c") == nullptr);

  Attributes twice{{"a", 1.0}, {"a", true}};
  CHECK(rules().conform(&twice).message() == "attribute 'a' is given twice");
  Attributes category{{"category", std::string("cafe")}};
  CHECK(rules().conform(&category).message() == "'category' is a field of its own, and no attribute");
  Attributes large{{"a", std::string(20'000, 'x')}};
  CHECK(rules().conform(&large).message().find("16,384 bytes") != std::string::npos);
  Attributes many;
  for (int i = 0; i < 300; ++i) many.edit().push_back({std::to_string(i), true});
  CHECK(rules().conform(&many).message().find("256 attributes") != std::string::npos);
  Attributes infinite{{"a", std::numeric_limits<double>::infinity()}};
  CHECK(rules().conform(&infinite).message() == "attribute 'a' holds a number that is not finite");
  Attributes bytes{{"a", List{std::string("\xFF")}}};
  CHECK(rules().conform(&bytes).message() == "attribute 'a' is no UTF-8");
  Attributes nul{{"a", std::string("a\0b", 3)}};
  CHECK(rules().conform(&nul).message() == "attribute 'a' holds a NUL");
}

TEST_CASE("what was stored under other declarations is converted where it fits, and stays where it does not") {
  Attributes stored{{"price", std::string("4.5")}, {"vegan", std::string("perhaps")}};
  rules().conform_stored(&stored);
  CHECK(to_json(stored) == R"({"price":4.5,"vegan":"perhaps"})");
}

TEST_CASE("declarations that contradict each other are refused") {
  CHECK(AttributeRules::check(rules().specs()).ok());
  CHECK(AttributeRules::check({{"a"}, {"a"}}).message() == "attribute[1].name: 'a' is declared twice");
  CHECK(AttributeRules::check({{"a", AttributeType::kHours}, {"b", AttributeType::kHours}}).message() ==
        "attribute[1].type: another attribute is declared as hours already; places have one");
  CHECK(AttributeRules::check({{"a", AttributeType::kNumber, OnUnreadable::kUnknown}}).message() ==
        "attribute[0].on_unreadable: only hours have it");
  CHECK(AttributeRules::check({{"category"}}).message().find("is a field of every place") != std::string::npos);
}

TEST_CASE("attributes as JSON escape what JSON does not take") {
  CHECK(to_json({{"a\"b", std::string("x\n\x01\\")}}) == "{\"a\\\"b\":\"x\\u000a\\u0001\\\\\"}");
  CHECK(to_json({{"n", 0.1}, {"o", 1e300}, {"p", -20.0}}) == R"({"n":0.1,"o":1e+300,"p":-20})");
  CHECK(to_json({}) == "{}");
}
