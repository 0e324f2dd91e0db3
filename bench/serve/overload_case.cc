// Ten times as many questions as can be answered: what is still answered, beside what the daemon answers when it is
// asked no faster than it answers, and how soon the others are refused. 100,000 places, 20,000 users, nothing kept; the
// daemon and `cairn load`, whose open loop asks, are processes of their own. First with as few threads and places to
// wait as keep waiting short, then as configured when nothing is said; that one waits for as long as a deadline allows.
//
// All of it shares this machine's processors, so that asking and refusing take from what answers. How much they take at
// least is measured beside it: what is left of plain loops, one a processor, beside a bare responder that is asked as
// often by the same load, and how soon that one answers.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/serve/bare_responder.h"
#include "bench/serve/cases.h"
#include "bench/serve/measure.h"
#include "bench/serve/town.h"
#include "cairn/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::bench {
namespace {

using cairnd::test::Process;
using nlohmann::json;

constexpr std::size_t kPlaces = 100'000;
constexpr std::size_t kUsers = 20'000;
constexpr std::size_t kConnections = 700;
constexpr std::size_t kAsking = 32;  ///< connections, each of which waits for its answer
constexpr double kTimes = 10.0;
constexpr double kFarTooMany = 20'000.0;  ///< a second
constexpr double kRefusedWithinMs = 5.0;
constexpr double kGrowth = 1.1;  // of resident memory

/// What `cairn load` says of a step. nullopt: nothing was answered.
std::optional<json> try_load(int port, const std::string& bodies, double rate, std::size_t connections,
                             double seconds) {
  Process client(
      CAIRN_PROGRAM,
      {"--url", "http://127.0.0.1:" + std::to_string(port), "-q", "-o", "json", "load", "--requests", bodies, "--rate",
       std::to_string(rate), "--connections", std::to_string(connections), "--duration", std::to_string(seconds)},
      {});
  if (client.wait() != 0) return std::nullopt;
  return json::parse(client.output()).at("steps").at(0);
}

class Daemon {
 public:
  Daemon(const std::string& folder, const std::string& http)
      : process_(CAIRND_PATH, {"--config", write(folder, http)}, {{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}}) {
    CAIRN_CHECK_MSG(process_.wait_for_error_text("\"daemon.ready\""), process_.error());
    CAIRN_CHECK(process_.wait_for_error_text("}\n"));
    const std::string field = "\"port\":\"";
    port_ = std::stoi(process_.error().substr(process_.error().find(field) + field.size(), 5));
  }

  [[nodiscard]] double resident_mb() const {
    std::ifstream file("/proc/" + std::to_string(process_.pid()) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024.0;
    }
    return 0.0;
  }

  [[nodiscard]] json load(const std::string& bodies, double rate, std::size_t connections, double seconds) const {
    const auto step = try_load(port_, bodies, rate, connections, seconds);
    CAIRN_CHECK_MSG(step, "nothing was answered");
    return *step;
  }
  /// The first questions read rows and make columns, and may not be answered in time.
  void warm_up(const std::string& bodies) const {
    while (!try_load(port_, bodies, 100.0, 4, 2.0)) {
    }
  }

 private:
  static std::string write(const std::string& folder, const std::string& http) {
    std::ofstream(folder + "/cairn.toml") << "[state]\ndir = \"" << folder << "/state\"\nfree_min = \"0B\"\n"
                                          << "[log]\nformat = \"json\"\n[cache]\nmemory = \"0B\"\n[http]\n"
                                          << http;
    return folder + "/cairn.toml";
  }

  Process process_;
  int port_ = 0;
};

/// A loop on each processor, from construction to destruction, as the threads that answer are.
class PlainLoops {
 public:
  PlainLoops() {
    for (unsigned i = std::max(1U, std::thread::hardware_concurrency()); i > 0; --i) {
      threads_.emplace_back([this](const std::stop_token& stop) {
        constexpr std::uint64_t kSteps = 10'000;
        while (!stop.stop_requested()) {
          keep_.fetch_xor(spin(kSteps), std::memory_order_relaxed);
          done_.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
  }
  /// How much is done a second while `run` runs.
  template <class Run>
  [[nodiscard]] double rate_while(const Run& run) const {
    const std::uint64_t before = done_.load();
    const auto start = std::chrono::steady_clock::now();
    run();
    return static_cast<double>(done_.load() - before) /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> keep_{0};  // or nothing of a loop would be left
  std::vector<std::jthread> threads_;
};

/// What asking and refusing so often leave at most, and how soon it can be refused.
struct Least {
  double share_left;
  double p50_ms;
  double p99_ms;
};

Least least(const std::string& bodies, double rate, double seconds) {
  const BareResponder bare(std::string(200, 'x'));  // as long as a refusal
  const PlainLoops loops;
  const double alone = loops.rate_while([&] { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); });
  std::optional<json> step;
  const double beside = loops.rate_while([&] { step = try_load(bare.port(), bodies, rate, kConnections, seconds); });
  CAIRN_CHECK(step);
  return {beside / alone, step->at("service_time").at("p50_ms"), step->at("service_time").at("p99_ms")};
}

std::string write_bodies(const std::string& folder) {
  const std::string path = folder + "/bodies.ndjson";
  std::ofstream file(path);
  for (std::size_t user = 0; user < kUsers; ++user) {
    const std::string post = post_of(user);
    file << post.substr(post.find("\r\n\r\n") + 4) << "\n";
  }
  return path;
}

void overload(ServeRun& run, const std::string& folder, const std::string& bodies, const std::string& name,
              const std::string& http) {
  const Daemon daemon(folder, http);
  const double seconds = run.options.quick ? 3.0 : 15.0;
  daemon.warm_up(bodies);
  std::vector<double> capacities;
  std::vector<double> goodputs;
  std::vector<double> refused_p50;
  std::vector<double> refused_p99;
  std::vector<double> answered_p99;
  std::vector<double> left;
  std::vector<double> least_p50;
  std::vector<double> least_p99;
  double before = 0.0;
  double after = 0.0;
  for (std::size_t round = run.rounds(3); round > 0; --round) {
    // Far more is due than can be answered, and few connections ask: each when it was answered.
    const json calm = daemon.load(bodies, kFarTooMany, kAsking, seconds);
    capacities.push_back(calm.at("goodput"));
    if (before == 0.0) before = daemon.resident_mb();
    const json step = daemon.load(bodies, kTimes * capacities.back(), kConnections, seconds);
    after = daemon.resident_mb();
    goodputs.push_back(step.at("goodput"));
    answered_p99.push_back(step.at("service_time").at("p99_ms"));
    std::fprintf(stderr, "   %s, then %s: %s\n", calm.at("codes").dump().c_str(), step.at("codes").dump().c_str(),
                 step.at("reasons").dump().c_str());
    if (!step.at("codes").contains("503")) continue;
    refused_p50.push_back(step.at("refusal_time").at("p50_ms"));
    refused_p99.push_back(step.at("refusal_time").at("p99_ms"));
    const Least beside = least(bodies, kTimes * capacities.back(), seconds);
    left.push_back(beside.share_left);
    least_p50.push_back(beside.p50_ms);
    least_p99.push_back(beside.p99_ms);
  }
  const std::string what = "overload, 10 x, " + name + ": ";
  run.report.add({.name = what + "answered",
                  .unit = "answers/s",
                  .better = Better::kMore,
                  .value = at_share(goodputs, 0.5),
                  .peer = Peer{"asked as fast as it answers", at_share(capacities, 0.5)}});
  run.report.add({.name = what + "answered within, p99",
                  .unit = "ms",
                  .better = Better::kLess,
                  .value = at_share(answered_p99, 0.5)});
  run.report.add({.name = what + "resident memory after",
                  .unit = "MB",
                  .better = Better::kLess,
                  .value = after,
                  .peer = Peer{"before, and a tenth", kGrowth * before}});
  if (left.empty()) return;  // nobody was refused
  run.report.add({.name = what + "answered, of what can be",
                  .unit = "share",
                  .better = Better::kMore,
                  .value = at_share(goodputs, 0.5) / at_share(capacities, 0.5),
                  .peer = Peer{"left of a plain loop beside a bare responder", at_share(left, 0.5)}});
  const auto refused = [&](const std::string& share, std::vector<double>& ours, std::vector<double>& bare) {
    Case measured{.name = what + "refused within, " + share,
                  .unit = "ms",
                  .better = Better::kLess,
                  .value = at_share(ours, 0.5),
                  .peer = Peer{"aim", kRefusedWithinMs}};
    run.report.add(measured);
    measured.peer = Peer{"bare responder beside plain loops", at_share(bare, 0.5)};
    run.report.add(measured);
  };
  refused("p50", refused_p50, least_p50);
  refused("p99", refused_p99, least_p99);
}

}  // namespace

void overload_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  open_town({.folder = folder.path(), .places = kPlaces, .users = kUsers}).reset();
  const std::string bodies = write_bodies(folder.path());
  overload(run, folder.path(), bodies, "reads=32 reads_queue=32", "reads = 32\nreads_queue = 32\n");
  overload(run, folder.path(), bodies, "default", "");
}

}  // namespace cairn::bench
