#include "features/expression.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using cairn::StatusCode;
using cairn::features::Expression;

namespace {

std::optional<double> evaluate(const std::string& text, std::optional<double> value) {
  const auto expression = Expression::parse(text);
  REQUIRE_MESSAGE(expression.ok(), text << ": " << expression.status().to_string());
  return expression->evaluate(value);
}

std::string problem(const std::string& text) {
  const auto expression = Expression::parse(text);
  REQUIRE_MESSAGE(!expression.ok(), text);
  CHECK(expression.status().code() == StatusCode::kInvalidArgument);
  return expression.status().message();
}

}  // namespace

TEST_CASE("expressions have the values that arithmetic gives them") {
  struct Row {
    const char* text;
    double value;
    double expected;
  };
  const std::vector<Row> table = {
      {"1", 0, 1},
      {"value", 4.5, 4.5},
      {"value - 2.5", 4, 1.5},
      {"min(value / 600, 3)", 900, 1.5},
      {"min(value / 600, 3)", 6000, 3},
      {"max(value, 0)", -2, 0},
      {"clamp(value, 1, 5)", 9, 5},
      {"clamp(value, 1, 5)", -9, 1},
      {"clamp(value, 1, 5)", 2, 2},
      {"clamp(value, 5, 1)", 2, 1},
      {"log1p(value)", 1, std::log(2.0)},
      {"abs(-value)", 3, 3},
      {"2 + 3 * 4", 0, 14},
      {"(2 + 3) * 4", 0, 20},
      {"10 - 4 - 3", 0, 3},
      {"16 / 4 / 2", 0, 2},
      {"-2 * -3", 0, 6},
      {"--2", 0, 2},
      {"-(1 + value)", 1, -2},
      {"2 - -3", 0, 5},
      {"1e3 + .5", 0, 1000.5},
      {"2.5E-1", 0, 0.25},
      {" \t1\t+ 1 ", 0, 2},
      {"min(1 / 0, 7)", 0, 7},
      {"min(max(1, 2), max(3, value))", 5, 2},
  };
  for (const Row& row : table) {
    INFO(row.text);
    const auto got = evaluate(row.text, row.value);
    REQUIRE(got.has_value());
    CHECK(*got == doctest::Approx(row.expected).epsilon(1e-15));
  }
}

TEST_CASE("an event without the value that is asked for does not count") {
  CHECK_FALSE(evaluate("value", std::nullopt).has_value());
  CHECK_FALSE(evaluate("0 * value + 1", std::nullopt).has_value());
  CHECK(evaluate("2 * 3", std::nullopt) == 6.0);
}

TEST_CASE("what is not finite does not count, and a bound does not hide what is no number") {
  for (const char* text : {"1 / 0", "0 / 0", "log1p(0 - 2)", "log1p(-1)", "1e308 * 10", "min(0 / 0, 3)",
                           "min(3, 0 / 0)", "max(0 / 0, 3)", "max(3, 0 / 0)", "clamp(0 / 0, 1, 2)"}) {
    INFO(text);
    CHECK_FALSE(evaluate(text, 1.0).has_value());
  }
}

TEST_CASE("a problem is reported with its column and what was expected there") {
  struct Row {
    const char* text;
    const char* message;
  };
  const std::vector<Row> table = {
      {"", "column 1: expected a number, `value`, a function or '(' at the end"},
      {"1 +", "column 4: expected a number, `value`, a function or '(' at the end"},
      {"1 2", "column 3: expected an operator or the end near '2'"},
      {"value value", "column 7: expected an operator or the end near 'v'"},
      {"(1", "column 3: expected ')' at the end"},
      {"1)", "column 2: expected an operator or the end near ')'"},
      {"min(1)", "column 6: expected ',' near ')'"},
      {"min(1, 2, 3)", "column 9: expected ')' near ','"},
      {"abs 1", "column 5: expected '(' near '1'"},
      {"rating * 2", "column 1: unknown name; there are value, min, max, clamp, log1p and abs, near 'r'"},
      {"2 * log(3)", "column 5: unknown name; there are value, min, max, clamp, log1p and abs, near 'l'"},
      {"1e999", "column 1: a number out of range near '1'"},
      {". + 1", "column 1: expected a number near '.'"},
      {"+1", "column 1: expected a number, `value`, a function or '(' near '+'"},
      {"2 ^ 3", "column 3: expected an operator or the end near '^'"},
      {"inf", "column 1: unknown name; there are value, min, max, clamp, log1p and abs, near 'i'"},
  };
  for (const Row& row : table) {
    INFO(row.text);
    CHECK(problem(row.text) == row.message);
  }
  CHECK(problem(std::string("1\0", 2)).find("column 2") != std::string::npos);
}

TEST_CASE("hostile text is refused before it uses up a stack") {
  CHECK(problem(std::string(900, '(')).find("nested more than 32 deep") != std::string::npos);
  CHECK(problem(std::string(900, '-')).find("nested more than 32 deep") != std::string::npos);
  CHECK(problem(std::string(5'000, '1')).find("1024 bytes") != std::string::npos);
}

TEST_CASE("the deepest expressions that are accepted can be evaluated") {
  std::string deep = "value";
  for (int i = 0; i < 30; ++i) deep = "1+(" + deep + ")";
  CHECK(evaluate(deep, 2.0) == 32.0);
  std::string clamps = "value";
  for (int i = 0; i < 30; ++i) clamps = "clamp(0,0," + clamps + ")";
  CHECK(evaluate(clamps, 5.0) == 0.0);
}
