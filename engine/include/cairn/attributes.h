#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/shared_list.h"

namespace cairn {

/// One value without parts.
using AttributeScalar = std::variant<bool, double, std::string>;

/// Something that a deployment knows of a place beyond its category: a price, a cuisine, opening hours.
struct Attribute {
  std::string name;
  std::variant<bool, double, std::string, std::vector<AttributeScalar>> value;  ///< numbers are finite

  friend bool operator==(const Attribute&, const Attribute&) = default;
};

/// Of one place. Stored ascending by name, each name once; what an import brings is brought into that order.
using Attributes = SharedList<Attribute>;

/// Bounds of what one place may have.
inline constexpr std::size_t kAttributesMax = 256;          ///< names
inline constexpr std::size_t kAttributeNameBytesMax = 128;  ///< bytes of a name
inline constexpr std::size_t kAttributesBytesMax = 16'384;  ///< of names and values together, 8 for one that is no text

/// What a declared attribute holds. Text that fits a type is taken for it: "4.5" for a number, "yes" or "no" for a
/// boolean, "a;b" for a list.
enum class AttributeType : std::uint8_t {
  kString,
  kNumber,
  kBoolean,
  kList,   ///< of texts, numbers or booleans
  kHours,  ///< opening hours, in OpenStreetMap's syntax
  kTime,   ///< of a day, "08:30"
};
[[nodiscard]] constexpr std::string_view to_string(AttributeType type) noexcept {
  constexpr std::string_view kNames[] = {"string", "number", "boolean", "list", "hours", "time"};
  return kNames[static_cast<std::size_t>(type)];
}

/// What becomes of opening hours that cannot be read.
enum class OnUnreadable : std::uint8_t {
  kRefuse,   ///< the place is refused
  kUnknown,  ///< the text is kept, the hours are unknown, and EngineStatus::unreadable_hours counts the place
};

/// An attribute whose type matters.
struct AttributeSpec {
  std::string name;
  AttributeType type = AttributeType::kString;
  OnUnreadable on_unreadable = OnUnreadable::kRefuse;  ///< of kHours
};

/// The attribute by which a place's clock is known, where it is not the deployment's: "Europe/Berlin".
inline constexpr std::string_view kTimeZoneAttribute = "time_zone";

/// The value of an attribute by name; null: the place has none.
[[nodiscard]] inline const Attribute* find_attribute(const Attributes& attributes, std::string_view name) noexcept {
  const auto at = std::lower_bound(attributes.begin(), attributes.end(), name,
                                   [](const Attribute& one, std::string_view wanted) { return one.name < wanted; });
  return at != attributes.end() && at->name == name ? at : nullptr;
}

/// The shortest decimal that reads back to the same number. Requires: it is finite.
[[nodiscard]] inline std::string number_text(double value) {
  std::array<char, 32> text{};
  // Whole numbers are written as such: "20" and not "2e+01".
  const bool whole = std::abs(value) < 1e15 && value == std::trunc(value);
  const auto end = whole ? std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(value)).ptr
                         : std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

namespace attributes_json {

inline void append(std::string_view text, std::string* out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *out += "\\u00";
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[static_cast<unsigned char>(c) & 15U]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}
inline void append(const AttributeScalar& value, std::string* out) {
  if (const bool* flag = std::get_if<bool>(&value)) {
    *out += *flag ? "true" : "false";
  } else if (const double* number = std::get_if<double>(&value)) {
    *out += number_text(*number);
  } else {
    append(std::string_view(std::get<std::string>(value)), out);
  }
}
inline void append(const Attribute& attribute, std::string* out) {
  append(std::string_view(attribute.name), out);
  out->push_back(':');
  if (const auto* list = std::get_if<std::vector<AttributeScalar>>(&attribute.value)) {
    out->push_back('[');
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out->push_back(',');
      append((*list)[i], out);
    }
    out->push_back(']');
  } else if (const bool* flag = std::get_if<bool>(&attribute.value)) {
    append(AttributeScalar(*flag), out);
  } else if (const double* number = std::get_if<double>(&attribute.value)) {
    append(AttributeScalar(*number), out);
  } else {
    append(std::string_view(std::get<std::string>(attribute.value)), out);
  }
}

}  // namespace attributes_json

/// As a JSON object. Requires: texts are UTF-8, as checked ones are.
[[nodiscard]] inline std::string to_json(const Attributes& attributes) {
  std::string out = "{";
  for (const Attribute& attribute : attributes) {
    if (out.size() > 1) out.push_back(',');
    attributes_json::append(attribute, &out);
  }
  return out + "}";
}

}  // namespace cairn
