#include "engine/model/toml_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace cairn::model {

using toml::Node;

Result<Node> parse_toml(const std::string& file, std::string_view text) {
  toml::Document document = toml::parse_document(text);
  if (document.errors.empty()) return std::move(document.root);
  const toml::SyntaxError& error = document.errors.front();
  return invalid_argument(file + ":" + std::to_string(error.at.line) + ": " + error.message);
}

bool TomlTable::has(std::string_view key) const noexcept {
  return std::any_of(node_->members.begin(), node_->members.end(),
                     [&](const toml::Member& member) { return member.name == key; });
}

const Node* TomlTable::take_node(std::string_view key) {
  const auto found = std::find_if(node_->members.begin(), node_->members.end(),
                                  [&](const toml::Member& member) { return member.name == key; });
  if (found == node_->members.end()) return nullptr;
  taken_.push_back(found->name);
  return &found->value;
}

Status TomlTable::take(std::string_view key, std::string* value) {
  const Node* node = take_node(key);
  if (!node) return ok_status();
  if (node->kind != Node::Kind::kString) {
    return fault(key, std::string(key) + " is " + std::string(kind_name(node->kind)) + ", not a string");
  }
  *value = node->text;
  return ok_status();
}

Status TomlTable::take(std::string_view key, double* value) {
  const Node* node = take_node(key);
  if (!node) return ok_status();
  const bool integer = node->kind == Node::Kind::kInteger;
  if (!integer && node->kind != Node::Kind::kNumber) {
    return fault(key, std::string(key) + " is " + std::string(kind_name(node->kind)) + ", not a number");
  }
  const double number = integer ? static_cast<double>(node->integer) : node->number;
  if (!std::isfinite(number)) return fault(key, std::string(key) + " is not finite");
  *value = number;
  return ok_status();
}

Status TomlTable::take(std::string_view key, float* value) {
  double number = static_cast<double>(*value);
  CAIRN_RETURN_IF_ERROR(take(key, &number));
  if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return fault(key, std::string(key) + " is beyond what a float holds");
  }
  *value = static_cast<float>(number);
  return ok_status();
}

Status TomlTable::take(std::string_view key, std::uint64_t* value) {
  const Node* node = take_node(key);
  if (!node) return ok_status();
  if (node->kind != Node::Kind::kInteger || node->integer < 0) {
    return fault(key, std::string(key) + " is not an integer of 0 or more");
  }
  *value = static_cast<std::uint64_t>(node->integer);
  return ok_status();
}

Status TomlTable::refuse_others() const {
  for (const toml::Member& member : node_->members) {
    if (std::find(taken_.begin(), taken_.end(), member.name) == taken_.end()) {
      return fault_at(member.at, "the key '" + member.name + "' is not known here");
    }
  }
  return ok_status();
}

Status TomlTable::fault(std::string_view key, const std::string& fault) const {
  for (const toml::Member& member : node_->members) {
    if (member.name == key) return fault_at(member.at, fault);
  }
  return fault_at(node_->at, fault);
}

Status TomlTable::fault_at(toml::TextPosition at, const std::string& fault) const {
  return invalid_argument(file_ + ":" + std::to_string(at.line) + ": " + fault);
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string toml_number(float value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

}  // namespace cairn::model
