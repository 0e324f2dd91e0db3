#include "engine/config/sections/complaints.h"

#include <algorithm>
#include <cctype>
#include <variant>

#include "engine/config/nearest.h"

namespace cairn::config {

bool matches(std::string_view text, std::size_t size_max, std::string_view first, std::string_view rest) {
  const auto in = [](std::string_view set, char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (std::islower(byte) != 0 && set.find('a') != std::string_view::npos) ||
           (std::isupper(byte) != 0 && set.find('A') != std::string_view::npos) ||
           (std::isdigit(byte) != 0 && set.find('0') != std::string_view::npos) ||
           (std::isalnum(byte) == 0 && set.find(c) != std::string_view::npos);
  };
  return !text.empty() && text.size() <= size_max && in(first, text.front()) &&
         std::all_of(text.begin() + 1, text.end(), [&](char c) { return in(rest, c); });
}

std::string quoted(std::string_view text) { return "\"" + printable(text) + "\""; }

std::string source_name_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 64, "aA0", "aA0_.-")) return {};
  return quoted(name) + " must have 1 to 64 letters, digits, '.', '_' or '-', the first one a letter or digit";
}

std::string path_complaint(const Value& value) {
  return std::get<std::string>(value).empty() ? "must not be empty" : "";
}

}  // namespace cairn::config
