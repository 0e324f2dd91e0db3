#include "engine/serving/json/quick_parse.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace cairn::serving::json {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kBytesMax = 64u << 10;  ///< of a text, so that no thread keeps much

bool read(dom::element from, std::size_t depth, Value* to);

/// Whole numbers are integers however they are written, and only the text tells whether it says exactly that.
bool read_double(double number, Value* to) {
  if (std::trunc(number) == number && std::abs(number) < 0x1p54) return false;
  to->data = number;
  return true;
}

bool read_text(std::string_view text, Value* to) {
  if (text.find('\0') != std::string_view::npos) return false;
  to->data = std::string(text);
  return true;
}

bool read_array(const dom::array& from, std::size_t depth, Value* to) {
  if (depth == kDepthMax) return false;
  Value::Array elements;
  for (const dom::element element : from) {
    if (!read(element, depth + 1, &elements.emplace_back())) return false;
  }
  to->data = std::move(elements);
  return true;
}

bool read_object(const dom::object& from, std::size_t depth, Value* to) {
  if (depth == kDepthMax) return false;
  Value::Object members;
  for (const auto& [name, value] : from) {
    const auto is_same = [&](const Member& member) { return member.name == name; };
    if (members.size() == kMembersMax || std::any_of(members.begin(), members.end(), is_same)) return false;
    if (!read(value, depth + 1, &members.emplace_back(Member{std::string(name), {}}).value)) return false;
  }
  to->data = std::move(members);
  return true;
}

/// `depth`: containers around it. Returns: false where parse() has to say what it is.
bool read(dom::element from, std::size_t depth, Value* to) {
  switch (from.type()) {
    case dom::element_type::ARRAY:
      return read_array(dom::array(from), depth, to);
    case dom::element_type::OBJECT:
      return read_object(dom::object(from), depth, to);
    case dom::element_type::STRING:
      return read_text(std::string_view(from), to);
    case dom::element_type::INT64:
      to->data = std::int64_t{from};
      return true;
    case dom::element_type::UINT64:
      to->data = std::uint64_t{from};
      return true;
    case dom::element_type::DOUBLE:
      return read_double(double{from}, to);
    case dom::element_type::BOOL:
      to->data = bool{from};
      return true;
    case dom::element_type::NULL_VALUE:
      to->data = nullptr;
      return true;
  }
  return false;
}

}  // namespace

std::optional<Value> parse_quickly(std::string_view text) {
  // simdjson 3.0 makes bytes that are no UTF-8 of half a surrogate pair.
  if (text.size() > kBytesMax || text.find("\\u") != std::string_view::npos) return std::nullopt;
  thread_local dom::parser parser;
  dom::element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  Value value;
  if (!read(root, 0, &value)) return std::nullopt;
  return value;
}

}  // namespace cairn::serving::json
