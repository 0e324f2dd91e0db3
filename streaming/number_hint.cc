#include "streaming/number_hint.h"

#include <algorithm>

namespace cairn::streaming {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string number_hint(std::string_view text) {
  const std::string_view sign = text.substr(0, text.starts_with('-') || text.starts_with('+') ? 1 : 0);
  const std::string_view digits = text.substr(sign.size());
  const std::size_t mark = std::min(digits.find_first_of(".,"), digits.size());
  const std::string_view whole = digits.substr(0, mark);
  if (is_digits(digits)) return "; send it without the quotes";
  if (!is_digits(whole) || !is_digits(digits.substr(mark + 1))) return {};
  if (digits[mark] == '.') return "; send it without the quotes";
  return "; it has a decimal comma: write " + std::string(sign == "-" ? "-" : "").append(whole) + "." +
         std::string(digits.substr(mark + 1)) + " with a point";
}

}  // namespace cairn::streaming
