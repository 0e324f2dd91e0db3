#include "features/condition.h"

#include <doctest/doctest.h>

#include <string>

using cairn::AttributeScalar;
using cairn::features::AttributeTest;
using cairn::features::Condition;

namespace {

std::string value_text(const AttributeScalar& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const double* number = std::get_if<double>(&value)) return cairn::number_text(*number);
  return "'" + std::get<std::string>(value) + "'";
}

/// With every pair of parentheses there could be.
std::string shape(const Condition& condition) {
  if (condition.kind() == Condition::Kind::kTest) {
    constexpr const char* kSigns[] = {" in", "<", "<=", ">", ">=", " present"};
    std::string text = condition.test().name + kSigns[static_cast<std::size_t>(condition.test().is)];
    for (const AttributeScalar& value : condition.test().values) text += " " + value_text(value);
    return "[" + text + "]";
  }
  if (condition.kind() == Condition::Kind::kNot) return "!" + shape(condition.parts().front());
  std::string text;
  for (const Condition& part : condition.parts()) {
    text += (text.empty() ? "" : condition.kind() == Condition::Kind::kAll ? " & " : " | ") + shape(part);
  }
  return "(" + text + ")";
}

std::string read(const std::string& text) {
  const auto condition = Condition::parse(text);
  return condition.ok() ? shape(*condition) : condition.status().message();
}

}  // namespace

TEST_CASE("a condition is read as it is written") {
  CHECK(read("price <= 20") == "[price<= 20]");
  CHECK(read("price<-1.5e3") == "[price< -1500]");
  CHECK(read("vegan") == "[vegan in true]");
  CHECK(read("not vegan") == "![vegan in true]");
  CHECK(read("cuisine = thai") == "[cuisine in 'thai']");
  CHECK(read("cuisine == \"caf\\u00e9 \\\"x\\\"\"") == "[cuisine in 'caf\xC3\xA9 \"x\"']");
  CHECK(read("cuisine = 'it''s'") == "[cuisine in 'it's']");
  CHECK(read("cuisine != thai") == "![cuisine in 'thai']");
  CHECK(read("cuisine in (thai, \"lao\", 3)") == "[cuisine in 'thai' 'lao' 3]");
  CHECK(read("cuisine not in (thai)") == "![cuisine in 'thai']");
  CHECK(read("menu is present") == "[menu present]");
  CHECK(read("menu is absent") == "![menu present]");
  CHECK(read("menu is not present") == "![menu present]");
  CHECK(read("addr:street = x and `two words` >= 3") == "([addr:street in 'x'] & [two words>= 3])");
}

TEST_CASE("not binds closer than and, and closer than or") {
  CHECK(read("a or b and not c or d") == "([a in true] | ([b in true] & ![c in true]) | [d in true])");
  CHECK(read("(a or b) and c") == "(([a in true] | [b in true]) & [c in true])");
  CHECK(read("NOT a AND b") == "(![a in true] & [b in true])");
  CHECK(read("not (a and b)") == "!([a in true] & [b in true])");
}

TEST_CASE("what is no condition is told of with the column") {
  CHECK(read("") == "column 1: the name of an attribute is expected");
  CHECK(read("price <=") == "column 9: a number, a word, or a text in quotes is expected");
  CHECK(read("price <= true") == "column 14: true and false have no order");
  CHECK(read("a b") == "column 3: 'and', 'or' or the end is expected");
  CHECK(read("(a") == "column 3: ')' is expected");
  CHECK(read("a in thai") == "column 6: '(' is expected");
  CHECK(read("a in (x") == "column 8: ',' or ')' is expected");
  CHECK(read("a is there") == "column 6: 'present' or 'absent' is expected");
  CHECK(read("a = 'x") == "column 7: a second single quote is expected; the first is at column 5");
  CHECK(read("a = \"\\q\"") == "column 7: an escape of JSON is expected");
  CHECK(read("a = \"\\ud800x\"").find("four hex digits") != std::string::npos);
  CHECK(read("a = 12abc").find("a number") != std::string::npos);
  CHECK(read("a = \xFF").find("UTF-8") != std::string::npos);
}

TEST_CASE("quotes that are forgotten, or are others, are told of with what to write") {
  const std::string words = "; a text that is no single word stands in quotes: 'two words'";
  CHECK(read("category = fast food") == "column 17: 'and', 'or' or the end is expected" + words);
  CHECK(read("(category = fast food)") == "column 18: ')' is expected" + words);
  CHECK(read("category in (fast food)") == "column 19: ',' or ')' is expected" + words);
  CHECK(read("name = it's") == "column 10: 'and', 'or' or the end is expected" + words);
  CHECK(read("category = \u201Cbar\u201D") ==
        "column 12: \u201C is no quote here; write ' or \" before and after a text");
  CHECK(read("category in (\u00ABbar\u00BB)").find("column 14: \u00AB is no quote here") == 0);
  CHECK(read("\u2018price\u2019 < 3").find("column 1: \u2018 is no quote here") == 0);
  CHECK(read("category = `bar`") == "column 12: names stand in backquotes, and texts in ' or \"");
  CHECK(read("category = \"bar'") == "column 17: a second double quote is expected; the first is at column 12");
  CHECK(read("\"price\" < 3") ==
        "column 1: the name of an attribute is expected; a name stands without quotes, or in backquotes: `two words`");
  CHECK(read("category = \"\u201Cbar\u201D\"") ==
        "[category in '\u201Cbar\u201D']");  // inside of others they are letters
  CHECK(read("a = caf\u00E9 and b = l\u2019eau") == "([a in 'caf\u00E9'] & [b in 'l\u2019eau'])");
}

TEST_CASE("conditions have bounds") {
  CHECK(read(std::string(9000, ' ')).find("8,192") != std::string::npos);
  CHECK(read(std::string(40, '(') + "a" + std::string(40, ')')).find("32 deep") != std::string::npos);
  std::string many = "a";
  for (int i = 0; i < 200; ++i) many += " or a";
  CHECK(read(many).find("128 tests") != std::string::npos);
  std::string nots = "a";
  for (int i = 0; i < 100; ++i) nots = "not " + nots;
  CHECK(read(nots).find("32 deep") != std::string::npos);
}
