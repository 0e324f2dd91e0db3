#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "streaming/simdjson/event_fields.h"

namespace cairn::streaming {

/// What stands for a field in an event in plain words.
struct PlainValue {
  enum class Kind : std::uint8_t { kText, kInteger, kReal, kNull, kBoolean };

  Kind kind = Kind::kNull;
  bool negative = false;        ///< of an integer: it begins with '-'
  std::string_view text;        ///< a string's bytes, or a number as it stands; a view into the payload
  std::uint64_t magnitude = 0;  ///< of an integer: its digits
  double real = 0.0;            ///< of a real: the nearest double
};

/// An event in plain words: one flat object in a form that nearly all producers write. Blanks are its only white space,
/// no string has an escape, no key stands twice, each value is a string, a number without exponent, true, false or
/// null. Whatever it reads is what any strict JSON parser reads. That it does not read a payload says nothing about the
/// payload.
struct PlainEvent {
  /// Reads `payload`. Requires: kPayloadPadding readable bytes after it.
  /// Returns: false when it is no event in plain words, and also for some that are: long ones, those with many unknown
  /// fields or long numbers. What was read is meaningless then.
  [[nodiscard]] bool read(std::string_view payload) noexcept;

  [[nodiscard]] bool has(Field field) const noexcept { return (present >> field & 1U) != 0; }

  std::array<PlainValue, kFields> fields;  ///< those that are present; others hold what an event before left there
  std::uint32_t present = 0;               ///< bit f: field f
  /// All bytes are ASCII. Otherwise the strings may hold anything above it: read() does not look whether that is UTF-8.
  bool ascii = true;
};

}  // namespace cairn::streaming
