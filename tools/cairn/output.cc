#include "tools/cairn/output.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace cairn::cli {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

/// Names come from strangers: what would move the cursor or colour the screen is not printed.
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

/// Characters, as near to columns on the screen as UTF-8 tells without tables of wide characters.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return align == Align::kLeft ? text + blanks : blanks + text;
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string Table::to_string(bool color) const {
  std::vector<std::vector<std::string>> lines;
  auto& heading = lines.emplace_back();
  for (const Column& column : columns_) heading.push_back(column.heading);
  for (const auto& row : rows_) {
    auto& line = lines.emplace_back();
    for (const std::string& cell : row) line.push_back(printable(cell));
  }
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string text;
  for (const auto& line : lines) {
    std::string joined;
    for (std::size_t i = 0; i < line.size(); ++i) {
      joined += (i ? "  " : "") + padded(line[i], widths[i], columns_[i].align);
    }
    joined = without_trailing_blanks(std::move(joined));
    const bool bold = color && &line == lines.data();
    text += (bold ? "\x1b[1m" + joined + "\x1b[0m" : joined) + "\n";
  }
  return text;
}

bool color_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color && *no_color) return false;
  return ::isatty(STDOUT_FILENO) && term && std::string_view(term) != "dumb";
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string distance_text(double meters) {
  return meters < 1000.0 ? formatted("%.0f m", meters) : formatted("%.1f km", meters / 1000.0);
}

std::string number_text(double value) {
  return std::fabs(value) >= 0.1 || value == 0.0 ? formatted("%.3f", value) : formatted("%.4g", value);
}

std::string four_decimals(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

Progress::Progress(std::string what, bool quiet)
    : what_(std::move(what)), shown_(!quiet && ::isatty(STDERR_FILENO)), next_(std::chrono::steady_clock::now()) {}

void Progress::update(std::uint64_t done) {
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now < next_) return;  // a terminal is slow, and nobody reads faster
  next_ = now + std::chrono::milliseconds(100);
  drawn_ = true;
  std::fprintf(stderr, "\r%s %s\x1b[K", grouped(done).c_str(), what_.c_str());
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace cairn::cli
