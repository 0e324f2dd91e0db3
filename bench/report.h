#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::bench {

/// Whether a larger value of a case is the better one (a rate) or the worse one (a time, a size).
enum class Better { kMore, kLess };

/// What does the same work beside ours, in the same process or run.
struct Peer {
  std::string name;  ///< with its version where that matters: "rocksdb 7.8.3 MultiGet"
  double value = 0.0;
};

/// One measured case.
struct Case {
  std::string name = {};  ///< with its parameters: "top-k n=1e6 d=64 k=20 batch=64"
  std::string unit = {};  ///< "queries/s", "us", "MB"
  Better better = Better::kMore;
  double value = 0.0;
  std::optional<Peer> peer = {};
};

/// How many times better than its peer a case is: above 1 means ahead of it.
[[nodiscard]] inline std::optional<double> ratio_of(const Case& c) {
  if (!c.peer || c.peer->value <= 0.0 || c.value <= 0.0) return std::nullopt;
  return c.better == Better::kMore ? c.value / c.peer->value : c.peer->value / c.value;
}

/// Prints a bench's cases as they are measured: a table on a terminal, else one JSON object a line on stdout
/// ({"bench","case","unit","value","peer","peer_value","ratio"}, null where there is no peer). One thread.
///
///     int main(int argc, char** argv) {
///       cairn::bench::Report report("codec", argc, argv);
///       const std::size_t rows = report.quick() ? 1'000 : 1'000'000;
///       report.add({.name = "decode", .unit = "rows/s", .value = rows / best_seconds(5, decode_all)});
///     }
class Report {
 public:
  /// `--quick` asks for a small run. Other arguments are the bench's own.
  Report(std::string bench, int argc, char** argv)
      : bench_(std::move(bench)),
        quick_(std::any_of(argv + 1, argv + argc, [](const char* a) { return std::string_view(a) == "--quick"; })),
        table_(::isatty(STDOUT_FILENO) == 1) {
    if (table_) std::printf("%8s  %14s %-12s %-48s %s\n", "ratio", "value", "unit", (bench_ + " case").c_str(), "peer");
  }

  [[nodiscard]] bool quick() const noexcept { return quick_; }

  void add(const Case& c) const {
    table_ ? print_row(c) : print_json(c);
    std::fflush(stdout);
  }

 private:
  void print_row(const Case& c) const {
    const std::optional<double> ratio = ratio_of(c);
    char text[32] = "-";
    if (ratio) std::snprintf(text, sizeof text, "%.2f x", *ratio);
    std::printf("%8s  %14.6g %-12s %-48s", text, c.value, c.unit.c_str(), c.name.c_str());
    if (c.peer) std::printf(" %s: %.6g", c.peer->name.c_str(), c.peer->value);
    std::printf("\n");
  }

  void print_json(const Case& c) const {
    std::printf("{\"bench\":%s,\"case\":%s,\"unit\":%s,\"value\":%s,\"peer\":%s,\"peer_value\":%s,\"ratio\":%s}\n",
                json(bench_).c_str(), json(c.name).c_str(), json(c.unit).c_str(), json(c.value).c_str(),
                c.peer ? json(c.peer->name).c_str() : "null", c.peer ? json(c.peer->value).c_str() : "null",
                ratio_of(c) ? json(*ratio_of(c)).c_str() : "null");
  }

  static std::string json(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", number);
    return text;
  }
  static std::string json(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted + '"';
  }

  std::string bench_;
  bool quick_;
  bool table_;
};

/// Wall-clock seconds of the fastest of `runs` calls: the one that the rest of the machine disturbed least.
[[nodiscard]] inline double best_seconds(std::size_t runs, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// Makes the compiler believe that `value` is used.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace cairn::bench
