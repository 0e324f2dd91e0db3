#include "engine/learning/parameters.h"

#include <charconv>
#include <cmath>

namespace cairn::learning {
namespace {

template <class Number>
bool parse(const std::string& text, Number* value) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stopped == end;
}

std::string shortest(float value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

}  // namespace

const std::string* Parameters::find(const std::string& name) {
  const auto found = given_.find(name);
  return found == given_.end() ? nullptr : &found->second;
}

void Parameters::refuse(const std::string& name, const char* expected) {
  if (fault_.ok()) fault_ = invalid_argument(name + " = '" + given_.at(name) + "' is not " + expected);
}

void Parameters::take(const std::string& name, float* value) {
  const std::string* text = find(name);
  if (text && !(parse(*text, value) && std::isfinite(*value))) refuse(name, "a number");
  used_[name] = shortest(*value);
}

void Parameters::take(const std::string& name, std::size_t* value) {
  const std::string* text = find(name);
  if (text && !parse(*text, value)) refuse(name, "an integer of 0 or more");
  used_[name] = std::to_string(*value);
}

void Parameters::take(const std::string& name, bool* value) {
  const std::string* text = find(name);
  if (text && *text != "true" && *text != "false") refuse(name, "true or false");
  if (text) *value = *text == "true";
  used_[name] = *value ? "true" : "false";
}

void Parameters::take(const std::string& name, std::string* value) {
  if (const std::string* text = find(name)) *value = *text;
  used_[name] = *value;
}

Status Parameters::check() const {
  if (!fault_.ok()) return fault_;
  for (const auto& [name, value] : given_) {
    if (used_.contains(name)) continue;
    std::string known;
    for (const auto& [one, text] : used_) known += (known.empty() ? "" : ", ") + one;
    return invalid_argument("there is no parameter '" + name + "' here; " +
                            (known.empty() ? "this kind has none" : "there are: " + known));
  }
  return ok_status();
}

}  // namespace cairn::learning
