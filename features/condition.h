#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/attributes.h"
#include "cairn/status.h"

namespace cairn::features {

/// A test of one attribute. A place without the attribute passes no test; of a list, one element has to pass.
struct AttributeTest {
  enum class Is : std::uint8_t { kIn, kBelow, kAtMost, kAbove, kAtLeast, kPresent };

  std::string name;
  Is is = Is::kIn;
  std::vector<AttributeScalar> values;  ///< of kIn, one at least; of kPresent none; otherwise one, no boolean
};

/// What has to hold of a place, as a text says it:
///
///     price <= 20 and (cuisine in ("thai", "lao") or vegan) and not smoking
///
/// A test is NAME = VALUE, !=, <, <=, >, >=, NAME in (VALUE, ...), NAME not in (...), NAME is present, NAME is absent,
/// or NAME alone, which is NAME = true. != and `not in` are `not` of the other, so that they hold where the attribute
/// is absent. `not` binds closest, then `and`, then `or`. Values are numbers, true, false, texts in double quotes as
/// JSON has them, texts in single quotes, where '' is one quote, and words. Numbers compare with numbers, texts with
/// texts, by bytes. A name that is no word stands in backquotes. Immutable. Threads: any.
class Condition {
 public:
  static constexpr std::size_t kBytesMax = 8192;
  static constexpr std::size_t kTestsMax = 128;  ///< and values, together 4,096
  static constexpr std::size_t kDepthMax = 32;

  enum class Kind : std::uint8_t { kTest, kAll, kAny, kNot };

  /// Returns: INVALID_ARGUMENT with the column and what was expected there.
  [[nodiscard]] static Result<Condition> parse(std::string_view text);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const AttributeTest& test() const noexcept { return test_; }             ///< of kTest
  [[nodiscard]] const std::vector<Condition>& parts() const noexcept { return parts_; }  ///< of the others; kNot: one

 private:
  friend class ConditionParser;

  Kind kind_ = Kind::kTest;
  AttributeTest test_;
  std::vector<Condition> parts_;
};

}  // namespace cairn::features
