#include "engine/config/toml/document.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <utility>

// Errors as return values: no exception of the library exists, so none can pass this file.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

// In here toml:: is ours, and ::toml:: is the library's.
namespace cairn::toml {
namespace {

constexpr int kSyntaxErrorsMax = 20;
// A dotted key nests a table per part, and toml++ 3.3 bounds the nesting of arrays and inline tables only: without a
// bound, reading and freeing a key of a hundred thousand parts would run off the stack.
constexpr int kDotsPerLineMax = 1'000;

TextPosition position(const ::toml::source_region& region) {
  return {std::max(1, static_cast<int>(region.begin.line)), std::max(1, static_cast<int>(region.begin.column))};
}

Node::Kind kind_of(const ::toml::node& node) {
  switch (node.type()) {
    case ::toml::node_type::table:
      return Node::Kind::kTable;
    case ::toml::node_type::array:
      return Node::Kind::kArray;
    case ::toml::node_type::string:
      return Node::Kind::kString;
    case ::toml::node_type::integer:
      return Node::Kind::kInteger;
    case ::toml::node_type::floating_point:
      return Node::Kind::kNumber;
    case ::toml::node_type::boolean:
      return Node::Kind::kBool;
    case ::toml::node_type::date:
      return Node::Kind::kDate;
    default:
      return Node::Kind::kOther;
  }
}

std::chrono::sys_days to_days(const ::toml::date& date) {
  return std::chrono::year{date.year} / std::chrono::month{date.month} / std::chrono::day{date.day};
}

Node convert(const ::toml::node& from);

void convert_table(const ::toml::table& from, Node* node) {
  for (const auto& [key, value] : from) {
    node->members.push_back({std::string(key.str()), position(key.source()), convert(value)});
  }
  // The library sorts by name; people read from top to bottom.
  std::stable_sort(node->members.begin(), node->members.end(), [](const Member& a, const Member& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
}

Node convert(const ::toml::node& from) {
  Node node;
  node.kind = kind_of(from);
  node.at = position(from.source());
  if (const ::toml::table* table = from.as_table()) convert_table(*table, &node);
  if (const ::toml::array* array = from.as_array()) {
    for (const ::toml::node& item : *array) node.items.push_back(convert(item));
  }
  if (const auto* text = from.as_string()) node.text = text->get();
  if (const auto* integer = from.as_integer()) node.integer = integer->get();
  if (const auto* number = from.as_floating_point()) node.number = number->get();
  if (const auto* boolean = from.as_boolean()) node.boolean = boolean->get();
  if (const auto* date = from.as_date()) node.day = to_days(date->get());
  return node;
}

/// The first line with more dots than any key or address list has; nullopt when there is none.
std::optional<int> line_with_too_many_dots(std::string_view text) {
  int line = 1;
  int dots = 0;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '.' && ++dots > kDotsPerLineMax) {
      return line;
    }
  }
  return std::nullopt;
}

/// The bytes of a line (counted from 1), without its end.
std::pair<std::size_t, std::size_t> line_bounds(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line && begin < text.size(); ++i) {
    const std::size_t end = text.find('\n', begin);
    begin = end == std::string_view::npos ? text.size() : end + 1;
  }
  return {begin, std::min(text.find('\n', begin), text.size())};
}

bool is_assignment(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = line.substr(0, equals);
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-. \t\"'").find(c) != std::string_view::npos;
  });
  return plain && key.find_first_not_of(" \t") != std::string_view::npos;
}

/// Blanks the line of an error. Returns: false when what stands there is not a plain assignment.
bool leave_out(std::string* text, TextPosition at) {
  const auto [begin, end] = line_bounds(*text, at.line);
  if (!is_assignment(std::string_view(*text).substr(begin, end - begin))) return false;
  std::fill(text->begin() + static_cast<std::ptrdiff_t>(begin), text->begin() + static_cast<std::ptrdiff_t>(end), ' ');
  return true;
}

/// The library's words as ours begin, with the likeliest remedy where its words hide it.
std::string syntax_message(std::string_view description) {
  constexpr std::string_view kLead = "Error while parsing ";
  if (description.starts_with(kLead)) description.remove_prefix(kLead.size());
  std::string message = "syntax error in " + std::string(description);
  if (message.find("unescaped control characters") != std::string::npos) message += "; is the closing quote missing?";
  return message;
}

}  // namespace

std::string_view kind_name(Node::Kind kind) noexcept {
  constexpr std::string_view kNames[] = {"a table",  "an array",  "a string", "an integer",
                                         "a number", "a boolean", "a date",   "a date with time"};
  return kNames[static_cast<std::size_t>(kind)];
}

Document parse_document(std::string_view text) {
  Document document;
  if (const std::optional<int> line = line_with_too_many_dots(text)) {
    document.errors.push_back({{*line, 1}, "this line has more than " + std::to_string(kDotsPerLineMax) + " dots"});
    document.complete = false;
    return document;
  }
  std::string rest(text);
  for (int i = 0; i < kSyntaxErrorsMax; ++i) {
    const ::toml::parse_result parsed = ::toml::parse(std::string_view(rest));
    if (parsed) {
      document.root = convert(parsed.table());
      return document;
    }
    const TextPosition at = position(parsed.error().source());
    document.errors.push_back({at, syntax_message(parsed.error().description())});
    if (!leave_out(&rest, at)) break;
  }
  document.complete = false;
  return document;
}

}  // namespace cairn::toml
