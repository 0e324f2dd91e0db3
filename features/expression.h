#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::features {

/// Arithmetic over an event's `value`: numbers, `value`, + - * /, parentheses, min(a, b), max(a, b), clamp(x, lo, hi),
/// log1p(x), abs(x). IEEE arithmetic throughout; clamp is min(max(x, lo), hi). Immutable; evaluable from any thread.
class Expression {
 public:
  /// At most 1,024 bytes, nested at most 32 deep.
  /// Returns: INVALID_ARGUMENT with the column of the problem and what was expected there.
  [[nodiscard]] static Result<Expression> parse(std::string_view text);

  /// The expression's value; nullopt when it reads `value` and the event has none, or the result is not finite: such
  /// an event does not count in the view.
  [[nodiscard]] std::optional<double> evaluate(std::optional<double> value) const;

 private:
  enum class Op : std::uint8_t {
    kNumber,
    kValue,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kNegate,
    kMin,
    kMax,
    kClamp,
    kLog1p,
    kAbs
  };
  struct Step {
    Op op;
    double number = 0.0;
  };
  friend class ExpressionParser;

  Expression() = default;  // parse() makes them: an empty one has no value
  static std::size_t operands_of(Op op) noexcept;
  static double apply(Op op, const double* operands) noexcept;

  std::vector<Step> steps_;  ///< postfix
};

}  // namespace cairn::features
