#include "features/expression.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "cairn/check.h"

namespace cairn::features {
namespace {

// Bounds that no weight comes near: they keep hostile text from using up the parser's or the evaluator's stack.
constexpr std::size_t kBytesMax = 1024;
constexpr int kNestingMax = 32;
constexpr std::size_t kStackMax = 64;

// A NaN on either side stays, so that a nonsensical weight is not hidden by a bound.
double smaller(double a, double b) noexcept { return std::isnan(a) || std::isnan(b) ? a + b : (b < a ? b : a); }
double larger(double a, double b) noexcept { return std::isnan(a) || std::isnan(b) ? a + b : (a < b ? b : a); }

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }

}  // namespace

/// Recursive descent over
///
///     sum     := product (('+' | '-') product)*
///     product := factor (('*' | '/') factor)*
///     factor  := '-' factor | number | 'value' | function '(' sum (',' sum)* ')' | '(' sum ')'
///
/// that writes postfix steps. The first problem is kept; everything after it is a no-op.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text) {}

  Result<Expression> parse() {
    if (text_.size() > kBytesMax) return invalid_argument("expression of more than 1024 bytes; write it shorter");
    sum();
    // Both: the text may hold a NUL of its own.
    if (peek() != '\0' || at_ < text_.size()) fail("expected an operator or the end");
    if (!problem_.empty()) return invalid_argument(problem_);
    Expression expression;
    expression.steps_ = std::move(steps_);
    return expression;
  }

 private:
  using Op = Expression::Op;
  struct Function {
    std::string_view name;
    Op op;
    int arguments;
  };
  static constexpr std::array<Function, 5> kFunctions{{{"min", Op::kMin, 2},
                                                       {"max", Op::kMax, 2},
                                                       {"clamp", Op::kClamp, 3},
                                                       {"log1p", Op::kLog1p, 1},
                                                       {"abs", Op::kAbs, 1}}};

  void sum() {
    product();
    for (char c = peek(); ok() && (c == '+' || c == '-'); c = peek()) {
      ++at_;
      product();
      emit(c == '+' ? Op::kAdd : Op::kSubtract, -1);
    }
  }

  void product() {
    factor();
    for (char c = peek(); ok() && (c == '*' || c == '/'); c = peek()) {
      ++at_;
      factor();
      emit(c == '*' ? Op::kMultiply : Op::kDivide, -1);
    }
  }

  void factor() {
    if (!ok()) return;
    // Every recursion passes here, so this bounds the parser's stack.
    if (++nesting_ > kNestingMax) return fail("nested more than 32 deep; simplify");
    const char c = peek();
    if (c == '-') {
      ++at_;
      factor();
      emit(Op::kNegate, 0);
    } else if (c == '(') {
      ++at_;
      sum();
      expect(')');
    } else if (is_digit(c) || c == '.') {
      number();
    } else if (is_letter(c)) {
      named();
    } else {
      fail("expected a number, `value`, a function or '('");
    }
    --nesting_;
  }

  void number() {
    double value = 0.0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) {
      return fail(error == std::errc::result_out_of_range ? "a number out of range" : "expected a number");
    }
    at_ += static_cast<std::size_t>(end - begin);
    emit(Op::kNumber, +1, value);
  }

  void named() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name == "value") return emit(Op::kValue, +1);
    for (const Function& function : kFunctions) {
      if (function.name == name) return call(function);
    }
    at_ = begin;
    fail("unknown name; there are value, min, max, clamp, log1p and abs,");
  }

  void call(const Function& function) {
    expect('(');
    for (int i = 0; i < function.arguments; ++i) {
      if (i > 0) expect(',');
      sum();
    }
    expect(')');
    emit(function.op, 1 - function.arguments);
  }

  void expect(char wanted) {
    if (!ok()) return;
    if (peek() != wanted) return fail(std::string("expected '") + wanted + "'");
    ++at_;
  }

  void emit(Op op, int stack_change, double number = 0.0) {
    if (!ok()) return;
    stack_ += stack_change;
    if (stack_ > static_cast<int>(kStackMax)) return fail("too many values at once; simplify");
    steps_.push_back({op, number});
  }

  char peek() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  [[nodiscard]] bool ok() const noexcept { return problem_.empty(); }

  void fail(const std::string& what) {
    if (!ok()) return;
    problem_ = "column " + std::to_string(at_ + 1) + ": " + what;
    problem_ += at_ < text_.size() ? std::string(" near '") + text_[at_] + "'" : std::string(" at the end");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int stack_ = 0;
  std::vector<Expression::Step> steps_;
  std::string problem_;
};

Result<Expression> Expression::parse(std::string_view text) { return ExpressionParser(text).parse(); }

double Expression::apply(Op op, const double* operands) noexcept {
  switch (op) {
    case Op::kAdd:
      return operands[0] + operands[1];
    case Op::kSubtract:
      return operands[0] - operands[1];
    case Op::kMultiply:
      return operands[0] * operands[1];
    case Op::kDivide:
      return operands[0] / operands[1];
    case Op::kNegate:
      return -operands[0];
    case Op::kMin:
      return smaller(operands[0], operands[1]);
    case Op::kMax:
      return larger(operands[0], operands[1]);
    case Op::kClamp:
      return smaller(larger(operands[0], operands[1]), operands[2]);
    case Op::kLog1p:
      return std::log1p(operands[0]);
    case Op::kAbs:
      return std::fabs(operands[0]);
    case Op::kNumber:
    case Op::kValue:
      break;
  }
  CAIRN_CHECK(false);
}

std::size_t Expression::operands_of(Op op) noexcept {
  if (op == Op::kNumber || op == Op::kValue) return 0;
  if (op == Op::kNegate || op == Op::kLog1p || op == Op::kAbs) return 1;
  return op == Op::kClamp ? 3 : 2;
}

std::optional<double> Expression::evaluate(std::optional<double> value) const {
  std::array<double, kStackMax> stack;  // the parser refuses what would need more
  std::size_t top = 0;
  for (const Step& step : steps_) {
    if (step.op == Op::kNumber) {
      stack[top++] = step.number;
    } else if (step.op == Op::kValue) {
      if (!value) return std::nullopt;
      stack[top++] = *value;
    } else {
      top -= operands_of(step.op);
      stack[top] = apply(step.op, &stack[top]);
      ++top;
    }
  }
  CAIRN_CHECK(top == 1);
  return std::isfinite(stack[0]) ? std::optional(stack[0]) : std::nullopt;
}

}  // namespace cairn::features
