#include <chrono>
#include <cstddef>
#include <string_view>

#include "streaming/decode.h"

namespace cairn::streaming {
namespace {

/// Reads a text from its front; every step fails once one has failed.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  /// Exactly `digits` decimal digits.
  int number(int digits) {
    int value = 0;
    for (int i = 0; i < digits; ++i) {
      if (!at_digit()) return fail();
      value = value * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
    }
    return value;
  }

  /// One character out of `any`. Returns: it, or 0.
  char one_of(std::string_view any) {
    if (text_.empty() || any.find(text_.front()) == std::string_view::npos) return static_cast<char>(fail());
    const char found = text_.front();
    text_.remove_prefix(1);
    return found;
  }

  bool at_digit() const { return !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; }
  bool at(char c) const { return !text_.empty() && text_.front() == c; }
  bool failed() const { return failed_; }
  bool done() const { return !failed_ && text_.empty(); }

 private:
  int fail() {
    failed_ = true;
    text_ = {};
    return 0;
  }

  std::string_view text_;
  bool failed_ = false;
};

/// ".5", ".123456": milliseconds, cut. Nothing there is 0.
int fraction_ms(Cursor& in) {
  if (!in.at('.')) return 0;
  in.one_of(".");
  int ms = in.number(1) * 100;
  for (int scale = 10; in.at_digit(); scale /= 10) ms += in.number(1) * scale;
  return ms;
}

/// 'Z' or "+hh:mm". Sets `*valid` to false for hours or minutes out of range.
std::chrono::minutes zone_offset(Cursor& in, bool* valid) {
  const char sign = in.one_of("Zz+-");
  if (sign != '+' && sign != '-') return std::chrono::minutes{0};
  const int hours = in.number(2);
  in.one_of(":");
  const int minutes = in.number(2);
  *valid = hours <= 23 && minutes <= 59;
  return std::chrono::minutes{(hours * 60 + minutes) * (sign == '-' ? -1 : 1)};
}

}  // namespace

bool parse_rfc3339(std::string_view text, EventTime* time) {
  using namespace std::chrono;
  Cursor in(text);
  const int y = in.number(4);
  in.one_of("-");
  const int mon = in.number(2);
  in.one_of("-");
  const int d = in.number(2);
  in.one_of("Tt ");
  const int h = in.number(2);
  in.one_of(":");
  const int min = in.number(2);
  in.one_of(":");
  const int s = in.number(2);
  const int ms = fraction_ms(in);
  bool zone_valid = true;
  const minutes offset = zone_offset(in, &zone_valid);
  const year_month_day date{year{y}, month{static_cast<unsigned>(mon)}, day{static_cast<unsigned>(d)}};
  if (!in.done() || !zone_valid || !date.ok() || h > 23 || min > 59 || s > 60) return false;
  *time = sys_days{date} + hours{h} + minutes{min} + seconds{s == 60 ? 59 : s} + milliseconds{ms} - offset;
  return true;
}

}  // namespace cairn::streaming
