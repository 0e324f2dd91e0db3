#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cairn::config {

enum class KeyType : std::uint8_t {
  kBool,
  kInteger,
  kDuration,  ///< milliseconds in a Value
  kSize,      ///< bytes in a Value
  kDistance,  ///< meters in a Value
  kDate,      ///< days since the epoch in a Value
  kText,
  kChoice,  ///< one of KeyInfo::choices
  kTextList,
  kNumber,
};

/// A key's value in the form that checking and rendering share; KeyType says what the number counts.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// What is known of one key without a configuration at hand.
struct KeyInfo {
  std::string_view name;
  KeyType type = KeyType::kText;
  std::string_view doc;  ///< one or two sentences, without unit, bounds and default: those are derived
  double min = 0;        ///< of numeric types, inclusive, in a Value's unit
  double max = 0;
  std::vector<std::string> choices = {};                    ///< kChoice
  std::string_view example = {};                            ///< TOML, where the default teaches nothing
  std::int64_t whole_ms = 1;                                ///< kDuration: a multiple of this
  bool secret = false;                                      ///< never shown; NAME_file names a file that holds it
  bool live = false;                                        ///< a reload applies it
  bool required = false;                                    ///< of a record: must be given
  bool in_example = true;                                   ///< of a record: part of the sample's example
  std::function<std::string(const Value&)> complaint = {};  ///< "" or what is wrong beyond type and bounds
};

/// A key together with the field of `Target` that it sets.
template <class Target>
struct Key : KeyInfo {
  std::function<Value(const Target&)> get;
  std::function<void(Target&, const Value&)> set;
};

/// Conversion between a field and its Value. The overloads below are the field types that options use.
template <class Field>
struct FieldValue;

template <>
struct FieldValue<bool> {
  static Value to(bool field) { return field; }
  static bool from(const Value& value) { return std::get<bool>(value); }
};
template <std::integral Field>
requires(!std::same_as<Field, bool>) struct FieldValue<Field> {
  static Value to(Field field) { return static_cast<std::int64_t>(field); }
  static Field from(const Value& value) { return static_cast<Field>(std::get<std::int64_t>(value)); }
};
template <>
struct FieldValue<double> {
  static Value to(double field) { return field; }
  static double from(const Value& value) { return std::get<double>(value); }
};
template <>
struct FieldValue<std::string> {
  static Value to(const std::string& field) { return field; }
  static std::string from(const Value& value) { return std::get<std::string>(value); }
};
template <>
struct FieldValue<std::vector<std::string>> {
  static Value to(const std::vector<std::string>& field) { return field; }
  static std::vector<std::string> from(const Value& value) { return std::get<std::vector<std::string>>(value); }
};
template <class Rep, class Period>
struct FieldValue<std::chrono::duration<Rep, Period>> {
  using Field = std::chrono::duration<Rep, Period>;
  static Value to(Field field) {
    return static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(field).count());
  }
  static Field from(const Value& value) {
    return std::chrono::duration_cast<Field>(std::chrono::milliseconds{std::get<std::int64_t>(value)});
  }
};
template <>
struct FieldValue<std::chrono::sys_days> {
  static Value to(std::chrono::sys_days field) { return static_cast<std::int64_t>(field.time_since_epoch().count()); }
  static std::chrono::sys_days from(const Value& value) {
    return std::chrono::sys_days{std::chrono::days{std::get<std::int64_t>(value)}};
  }
};

/// Picks a field of the target, const or not.
#define CAIRN_AT(path) \
  [](auto& target) -> auto& { return target.path; }

/// A key for the field that `pick` finds: `make_key<Config>(CAIRN_AT(http.threads), {.name = "threads", ...})`.
template <class Target, class Pick>
Key<Target> make_key(Pick pick, KeyInfo info) {
  using Field = std::remove_cvref_t<std::invoke_result_t<Pick, Target&>>;
  Key<Target> key{std::move(info), {}, {}};
  key.get = [pick](const Target& target) { return FieldValue<Field>::to(pick(target)); };
  key.set = [pick](Target& target, const Value& value) { pick(target) = FieldValue<Field>::from(value); };
  return key;
}

/// A key whose words stand for the values of an enum; KeyInfo::choices is filled from `words`.
/// Requires: every value that the field can have is in `words`.
template <class Target, class Pick, class Enum>
Key<Target> make_choice(Pick pick, std::vector<std::pair<std::string, Enum>> words, KeyInfo info) {
  info.type = KeyType::kChoice;
  for (const auto& [word, unused] : words) info.choices.push_back(word);
  Key<Target> key{std::move(info), {}, {}};
  key.get = [pick, words](const Target& target) {
    std::string found;
    for (const auto& [word, value] : words) {
      if (value == pick(target)) found = word;
    }
    return Value(found);
  };
  key.set = [pick, words](Target& target, const Value& value) {
    for (const auto& [word, meaning] : words) {
      if (word == std::get<std::string>(value)) pick(target) = meaning;
    }
  };
  return key;
}

}  // namespace cairn::config
