#include "engine/config/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>

#include "engine/config/nearest.h"
#include "engine/config/quantity.h"

namespace cairn::config {
namespace {

std::string_view expected_type(KeyType type) {
  switch (type) {
    case KeyType::kBool:
      return "true or false";
    case KeyType::kInteger:
      return "an integer";
    case KeyType::kDuration:
      return "a duration such as \"30s\" (units: ms, s, m, h, d)";
    case KeyType::kSize:
      return "a size such as \"64MiB\" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB)";
    case KeyType::kDistance:
      return "a distance such as \"50km\" (units: m, km)";
    case KeyType::kDate:
      return "a date such as 2000-01-31";
    case KeyType::kText:
    case KeyType::kChoice:
      return "a string";
    case KeyType::kTextList:
      return "an array of strings";
    case KeyType::kNumber:
      return "a number such as 0.5";
  }
  return "";
}

/// A key type's word in documentation.
std::string_view type_name(KeyType type) {
  constexpr std::string_view kNames[] = {"Boolean", "Integer", "Duration",        "Size",  "Distance", "Date",
                                         "String",  "One of",  "List of strings", "Number"};
  return kNames[static_cast<std::size_t>(type)];
}

Status wrong_type(const KeyInfo& key, const toml::Node& node) {
  return invalid_argument("must be " + std::string(expected_type(key.type)) + ", not " +
                          std::string(toml::kind_name(node.kind)));
}

/// A bound in the key's own notation.
std::string bound_text(const KeyInfo& key, double bound) {
  const auto whole = static_cast<std::int64_t>(bound);
  switch (key.type) {
    case KeyType::kDuration:
      return format_duration_ms(whole);
    case KeyType::kSize:
      return format_size(whole);
    case KeyType::kDistance:
      return format_distance(bound);
    case KeyType::kNumber:
      return format_number(bound);
    case KeyType::kDate:
      return format_day(std::chrono::sys_days{std::chrono::days{whole}});
    default:
      return std::to_string(whole);
  }
}

/// The message says the value in the key's own unit, which may not be the one that it was written in.
Status check_bounds(const KeyInfo& key, double number) {
  if (number >= key.min && number <= key.max) return ok_status();
  return invalid_argument("is " + bound_text(key, number) + "; it must be from " + bound_text(key, key.min) + " to " +
                          bound_text(key, key.max));
}

template <class Number>
Result<Value> bounded(const KeyInfo& key, Result<Number> number) {
  if (!number.ok()) return std::move(number).status();
  CAIRN_RETURN_IF_ERROR(check_bounds(key, static_cast<double>(*number)));
  return Value(*number);
}

Result<Value> read_duration(const KeyInfo& key, const toml::Node& node) {
  CAIRN_ASSIGN_OR_RETURN(const Value value, bounded(key, parse_duration_ms(node.text)));
  // The option counts seconds or hours; rounding would make it another value than the one that was written.
  if (std::get<std::int64_t>(value) % key.whole_ms == 0) return value;
  return invalid_argument("is \"" + node.text + "\"; it must be a multiple of " + format_duration_ms(key.whole_ms));
}

Result<Value> read_date(const KeyInfo& key, const toml::Node& node) {
  std::chrono::sys_days day = node.day;
  if (node.kind == toml::Node::Kind::kString) {
    CAIRN_ASSIGN_OR_RETURN(day, parse_day(node.text));
  }
  return bounded(key, Result<std::int64_t>(day.time_since_epoch().count()));
}

Result<Value> read_choice(const KeyInfo& key, const toml::Node& node) {
  for (const std::string& choice : key.choices) {
    if (choice == node.text) return Value(node.text);
  }
  return invalid_argument("is \"" + printable(node.text) + "\"; it must be one of " + joined(key.choices) +
                          did_you_mean(node.text, key.choices));
}

Result<Value> read_list(const KeyInfo& key, const toml::Node& node) {
  std::vector<std::string> items;
  for (const toml::Node& item : node.items) {
    if (item.kind != toml::Node::Kind::kString) {
      return invalid_argument("must be " + std::string(expected_type(key.type)) + ", and holds " +
                              std::string(toml::kind_name(item.kind)));
    }
    items.push_back(item.text);
  }
  return Value(std::move(items));
}

/// A date may be quoted, because people do; no other type is taken in another's notation.
bool fits(KeyType type, toml::Node::Kind kind) {
  switch (type) {
    case KeyType::kBool:
      return kind == toml::Node::Kind::kBool;
    case KeyType::kInteger:
      return kind == toml::Node::Kind::kInteger;
    case KeyType::kDate:
      return kind == toml::Node::Kind::kDate || kind == toml::Node::Kind::kString;
    case KeyType::kTextList:
      return kind == toml::Node::Kind::kArray;
    case KeyType::kNumber:
      return kind == toml::Node::Kind::kInteger || kind == toml::Node::Kind::kNumber;
    default:
      return kind == toml::Node::Kind::kString;
  }
}

Result<Value> read_fitting(const KeyInfo& key, const toml::Node& node) {
  switch (key.type) {
    case KeyType::kBool:
      return Value(node.boolean);
    case KeyType::kInteger:
      return bounded(key, Result<std::int64_t>(node.integer));
    case KeyType::kDuration:
      return read_duration(key, node);
    case KeyType::kSize:
      return bounded(key, parse_size(node.text));
    case KeyType::kDistance:
      return bounded(key, parse_distance(node.text));
    case KeyType::kDate:
      return read_date(key, node);
    case KeyType::kText:
      // No path, name or connection string holds a NUL; a C library behind the option would cut the text there.
      if (node.text.find('\0') != std::string::npos) return invalid_argument("must not hold a NUL character");
      return Value(node.text);
    case KeyType::kChoice:
      return read_choice(key, node);
    case KeyType::kTextList:
      return read_list(key, node);
    case KeyType::kNumber:
      return bounded(key, Result<double>(node.kind == toml::Node::Kind::kInteger ? static_cast<double>(node.integer)
                                                                                 : node.number));
  }
  return wrong_type(key, node);
}

template <class Number>
bool parse_all(const std::string& text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

/// Variables have no types: a list is written "a,b".
toml::Node list_from_text(std::string_view text) {
  toml::Node list;
  list.kind = toml::Node::Kind::kArray;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    toml::Node item;
    item.kind = toml::Node::Kind::kString;
    item.text = text.substr(0, comma);
    list.items.push_back(std::move(item));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

std::string render_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + quote_toml(item);
  return "[" + out + "]";
}

std::string render_integer(KeyType type, std::int64_t number) {
  switch (type) {
    case KeyType::kDuration:
      return quote_toml(format_duration_ms(number));
    case KeyType::kSize:
      return quote_toml(format_size(number));
    case KeyType::kDate:
      return format_day(std::chrono::sys_days{std::chrono::days{number}});
    default:
      return std::to_string(number);
  }
}

}  // namespace

Result<Value> read_value(const KeyInfo& key, const toml::Node& node) {
  if (!fits(key.type, node.kind)) return wrong_type(key, node);
  CAIRN_ASSIGN_OR_RETURN(Value value, read_fitting(key, node));
  if (const std::string complaint = key.complaint ? key.complaint(value) : ""; !complaint.empty()) {
    return invalid_argument(complaint);
  }
  return value;
}

toml::Node node_from_text(KeyType type, const std::string& text) {
  toml::Node node;
  node.kind = toml::Node::Kind::kString;
  node.text = text;
  if (type == KeyType::kBool && (text == "true" || text == "false")) {
    node.kind = toml::Node::Kind::kBool;
    node.boolean = text == "true";
  }
  if (type == KeyType::kInteger && parse_all(text, &node.integer)) node.kind = toml::Node::Kind::kInteger;
  if (type == KeyType::kNumber && parse_all(text, &node.number)) node.kind = toml::Node::Kind::kNumber;
  if (type == KeyType::kTextList) return list_from_text(text);
  return node;
}

std::string render_value(const KeyInfo& key, const Value& value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return render_integer(key.type, *number);
  if (const double* number = std::get_if<double>(&value); number != nullptr && key.type == KeyType::kNumber) {
    return format_number(*number);
  }
  if (const double* number = std::get_if<double>(&value)) return quote_toml(format_distance(*number));
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return render_list(*list);
  return quote_toml(std::get<std::string>(value));
}

std::string quote_toml(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += {kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string type_and_bounds(const KeyInfo& key) {
  std::string text(type_name(key.type));
  if (key.type == KeyType::kChoice) return text + " " + joined(key.choices);
  if (key.max > key.min) text += ", from " + bound_text(key, key.min) + " to " + bound_text(key, key.max);
  return text;
}

}  // namespace cairn::config
