#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/attributes.h"
#include "cairn/status.h"

namespace cairn::features {

/// What places' attributes have to be like: their bounds, and the types that a deployment declares. Immutable, cheap to
/// copy once. Threads: any.
class AttributeRules {
 public:
  /// `known_zone` says whether a time zone is one; empty: any is.
  explicit AttributeRules(std::vector<AttributeSpec> specs = {},
                          std::function<bool(const std::string&)> known_zone = {})
      : specs_(std::move(specs)), known_zone_(std::move(known_zone)) {}

  /// Whether the declarations make sense. Returns: INVALID_ARGUMENT beginning with "attribute[i].name: ".
  [[nodiscard]] static Status check(const std::vector<AttributeSpec>& specs);

  [[nodiscard]] const std::vector<AttributeSpec>& specs() const noexcept { return specs_; }
  [[nodiscard]] const AttributeSpec* find(std::string_view name) const noexcept;
  /// The attribute that says when places are open; null: none is declared.
  [[nodiscard]] const AttributeSpec* hours() const noexcept;

  /// Brings a place's attributes into order, and text that fits a declared type into that type.
  /// Returns: INVALID_ARGUMENT saying which attribute is at fault and why; they are then as they were.
  [[nodiscard]] Status conform(Attributes* attributes) const;
  /// The same of attributes that were taken under other declarations: what does not fit stays as it is, and is found by
  /// tests for what it is.
  void conform_stored(Attributes* attributes) const;

  /// A value of a condition as the attribute's type has it. A value that cannot be of it stays as it is.
  [[nodiscard]] AttributeScalar conform(std::string_view name, AttributeScalar value) const;

 private:
  [[nodiscard]] Status conform(Attribute* attribute) const;

  std::vector<AttributeSpec> specs_;
  std::function<bool(const std::string&)> known_zone_;
};

}  // namespace cairn::features
