#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::cli {

enum class Align : std::uint8_t { kLeft, kRight };

/// Rows of text in aligned columns under a heading, as wide as their widest cell. Control characters in cells, which a
/// place's name may hold, are shown as '?': a terminal must not obey them.
class Table {
 public:
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] std::string to_string(bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Whether standard output is a terminal that may be coloured (no-color.org).
[[nodiscard]] bool color_wanted();

void print(std::string_view text);
/// On one line. Names of files may be no UTF-8, which JSON has to be: such bytes become U+FFFD.
template <class Json>
void print_as_json(const Json& json) {
  print(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

/// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t value);
/// 321.5 as "322 m", 4321 as "4.3 km".
[[nodiscard]] std::string distance_text(double meters);
/// Three decimals, or four significant digits when smaller.
[[nodiscard]] std::string number_text(double value);
/// 0.36140 as "0.3614": shares and scores, whose last digits are to be compared.
[[nodiscard]] std::string four_decimals(double value);

/// A line on standard error that counts up while something long goes on; only on a terminal, and at most ten times a
/// second.
class Progress {
 public:
  Progress(std::string what, bool quiet);
  ~Progress() { clear(); }
  void update(std::uint64_t done);
  /// Takes the line away, so that other output stands alone.
  void clear();

 private:
  const std::string what_;
  const bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace cairn::cli
