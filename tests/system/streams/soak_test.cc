// A daemon at a steady load for as long as one likes, with one fault after another. CAIRN_SOAK_ROUNDS says how many,
// CAIRN_SOAK_PAUSE_MS how long a round lasts: `tools/test --full` makes it 480 of a minute.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/feeds.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

using cairnd::test::Process;

constexpr std::size_t kEventsARound = 5'000;
constexpr std::size_t kSteps = 50;  // in which the events of a round come

enum class Fault { kNone, kKill, kTerminate, kStop, kDatabase };
constexpr Fault kFaults[] = {Fault::kNone, Fault::kKill, Fault::kTerminate, Fault::kStop, Fault::kDatabase};

Trace trace_of(std::size_t events, std::mt19937& random) {
  Trace trace{"soak", {}, {}};
  std::int64_t seconds = 1'600'000'000;
  for (std::size_t i = 0; i < events; ++i) {
    seconds += random() % 20;
    trace.check_ins.push_back(
        {std::to_string(random() % 900), std::to_string(random() % 3000), time_text(seconds), seconds});
  }
  return trace;
}

/// What a process holds, as the kernel says.
struct Held {
  std::size_t descriptors = 0;
  std::size_t resident_kib = 0;

  explicit Held(const Process& process) {
    const std::string folder = "/proc/" + std::to_string(process.pid());
    descriptors = static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder + "/fd"), std::filesystem::directory_iterator()));
    std::ifstream status(folder + "/status");
    for (std::string word; status >> word;) {
      if (word == "VmRSS:") status >> resident_kib;
    }
  }
};

class Soak {
 public:
  Soak(const std::string& folder, const std::string& dsn, Feed& feed) : config_(folder + "/cairn.toml"), feed_(feed) {
    std::ofstream(config_) << "[state]\ndir = \"" << folder << "/state\"\nfree_min = \"0B\"\n[sql]\ndsn = \"" << dsn
                           << "\"\n[log]\nformat = \"json\"\n"
                           << feed.config();
    start();
  }

  void start() {
    daemon_ = std::make_unique<Process>(CAIRND_PATH, std::vector<std::string>{"--config", config_},
                                        std::map<std::string, std::string>{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
    REQUIRE_MESSAGE(daemon_->wait_for_error_text("\"daemon.ready\""), daemon_->error());
  }

  /// Gives the check-ins before `end` over about `pause`, with the fault in the middle.
  void round(std::size_t begin, std::size_t end, std::chrono::milliseconds pause, Fault fault) {
    for (std::size_t step = 1; step <= kSteps; ++step) {
      feed_.give_until(begin + (end - begin) * step / kSteps, daemon_.get());
      if (step == kSteps / 2) happen(fault);
      std::this_thread::sleep_for(pause / static_cast<int>(kSteps));  // the load itself, nothing is waited for
    }
    if (fault == Fault::kDatabase) TestCluster::shared().start();
    if (fault == Fault::kStop) daemon_->signal(SIGCONT);
  }

  void end() {
    daemon_->signal(SIGTERM);
    CHECK(daemon_->wait() == 0);
  }
  [[nodiscard]] Held held() const { return Held(*daemon_); }

 private:
  void happen(Fault fault) {
    if (fault == Fault::kStop) daemon_->signal(SIGSTOP);
    if (fault == Fault::kDatabase) TestCluster::shared().stop_immediate();
    if (fault != Fault::kKill && fault != Fault::kTerminate) return;
    daemon_->signal(fault == Fault::kKill ? SIGKILL : SIGTERM);
    CHECK(daemon_->wait() == (fault == Fault::kKill ? 128 + SIGKILL : 0));
    start();
  }

  const std::string config_;
  Feed& feed_;
  std::unique_ptr<Process> daemon_;
};

TEST_CASE("a daemon at a steady load, with one fault after another, is exact at the end and holds no more") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20264);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  const std::size_t rounds = environment_number("CAIRN_SOAK_ROUNDS", 8);
  const std::chrono::milliseconds pause(environment_number("CAIRN_SOAK_PAUSE_MS", 500));
  std::mt19937 random(seed);
  const Trace trace = trace_of(rounds * kEventsARound, random);
  const TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.sql.dsn = TestCluster::shared().fresh_database();
  FileFeed feed(trace, folder.path() + "/events.ndjson");
  feed.configure(&options);
  {
    Soak soak(folder.path(), options.sql.dsn, feed);
    soak.round(0, kEventsARound, pause, Fault::kNone);
    const Held at_first = soak.held();
    for (std::size_t round = 1; round < rounds; ++round) {
      INFO("round ", round);
      // Each kind once, then as they come.
      const Fault fault = kFaults[round < std::size(kFaults) ? round : random() % std::size(kFaults)];
      soak.round(round * kEventsARound, (round + 1) * kEventsARound, pause, fault);
    }
    const Held at_last = soak.held();
    MESSAGE("descriptors ", at_first.descriptors, " then ", at_last.descriptors, ", KiB ", at_first.resident_kib,
            " then ", at_last.resident_kib);
    // Connections come and go; what leaks would be as many as there were rounds.
    CHECK(at_last.descriptors <= at_first.descriptors + 12);
    soak.end();
  }
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(10)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  const Totals totals = aggregate(trace);
  check_features(**engine, trace, totals);
  check_tables(options.sql.dsn, totals);
}

}  // namespace
}  // namespace cairn::test
