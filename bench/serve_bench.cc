// From a question to an answer. Each case stands in a source of its own in bench/serve, and says there what it measures
// and beside what. The sides of a case run in turn, in the same run, and figures are medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "bench/serve/cases.h"

namespace cairn::bench {
namespace {

struct NamedCase {
  std::string_view name;
  void (*measure)(ServeRun&);
  std::string_view what;
};

constexpr NamedCase kCases[] = {
    {"kernel", kernel_case, "the fused scan beside this machine's limits and a loop that the compiler vectorises"},
    {"request", request_case, "whole requests beside scoring every candidate in full; a user's profile"},
    {"filters", filters_case, "requests with conditions, opening hours and rules beside the same without"},
    {"batches", batch_case, "questions of many callers, scanned together and each alone"},
    {"http", http_case, "answers a second over HTTP beside a bare Boost.Beast responder"},
    {"recommendations", recommendations_case, "the same of recommendations that are computed each time"},
    {"answers", answers_case, "kept answers: in process; over HTTP beside a bare responder and Redis GET"},
    {"disk", disk_case, "kept answers that memory had no room for: time, and bytes on the disk"},
    {"features", features_case, "features of 50 users, 5 views each, beside the same rows in Redis hashes"},
    {"headline", headline_case, "all together: 40,000 places, 50,000 users, events and questions over HTTP"},
    {"overload", overload_case, "ten times as many questions as can be answered, to a daemon of its own"},
};

void print_usage() {
  std::fprintf(stderr, "usage: tools/bench serve [--quick] [--only CASE,CASE...] [--rounds N]\n\ncases:\n");
  for (const NamedCase& one : kCases) {
    std::fprintf(stderr, "  %-15s %s\n", std::string(one.name).c_str(), std::string(one.what).c_str());
  }
}

bool is_case(const std::string& name) {
  return std::any_of(std::begin(kCases), std::end(kCases), [&](const NamedCase& one) { return one.name == name; });
}

void run_cases(ServeRun& run) {
  for (const NamedCase& one : kCases) {
    const auto& only = run.options.only;
    if (!only.empty() && std::find(only.begin(), only.end(), one.name) == only.end()) continue;
    std::fprintf(stderr, "-- %s: %s\n", std::string(one.name).c_str(), std::string(one.what).c_str());
    const auto start = std::chrono::steady_clock::now();
    one.measure(run);
    std::fprintf(stderr, "   took %.0f s\n",
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn::bench;
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    print_usage();
    return 0;
  }
  const auto options = parse_serve_options(argc, argv);
  if (!options || !std::all_of(options->only.begin(), options->only.end(), is_case)) {
    print_usage();
    return 2;
  }
  const Report report("serve", argc, argv);
  ServeRun run{report, *options};
  run_cases(run);
  return 0;
}
