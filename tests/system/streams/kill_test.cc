#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

constexpr int kKills = 30;

/// Half of the check-ins of both traces would do; all of one are taken, so that the totals are the published ones.
Trace some_trace(std::uint32_t seed) {
  const std::string folder = data_folder();
  if (!folder.empty()) return seed % 2 == 0 ? read_gowalla(folder) : read_foursquare(folder);
  MESSAGE("SKIPPED: real data; 60,000 made-up check-ins instead. Set CAIRN_DATA to the folder of foursquare_nyc");
  Trace made{"made_up", {}, {}};
  std::mt19937 random(seed);
  std::int64_t seconds = 1'600'000'000;
  for (int i = 0; i < 60'000; ++i) {
    seconds += random() % 60;
    char text[32];
    const std::time_t when = seconds;
    std::tm utc{};
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&when, &utc));
    made.check_ins.push_back({std::to_string(random() % 900), std::to_string(random() % 3000), text, seconds});
  }
  return made;
}

TEST_CASE("a daemon killed thirty times in the middle of the stream loses nothing and doubles nothing") {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint32_t seed = given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : 20261;
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  std::mt19937 random(seed);
  const Trace trace = some_trace(seed);
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/events.ndjson";
  const std::string config = folder.path() + "/cairn.toml";
  const std::string state = folder.path() + "/state";
  const std::string dsn = TestCluster::shared().fresh_database();
  // Small batches and short windows: thousands of them for a kill to fall between, and into.
  std::ofstream(config) << "[state]\ndir = \"" << state << "\"\nfree_min = \"0B\"\nbatch_events_max = 500\n"
                        << "window = \"20ms\"\n"
                        << "[sql]\nbatch_rows_max = 1000\ndsn = \"" << dsn << "\"\n"
                        << "[[file]]\nname = \"stream\"\npath = \"" << file << "\"\n[log]\nformat = \"json\"\n";
  std::ofstream out(file);
  std::size_t written = 0;
  const auto append_until = [&](std::size_t end) {
    for (; written < end; ++written) out << to_json(trace.check_ins[written]) << "\n";
    out.flush();
  };
  const std::map<std::string, std::string> variables{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}};

  for (int kill = 1; kill <= kKills; ++kill) {
    INFO("kill ", kill);
    append_until(trace.check_ins.size() * static_cast<std::size_t>(kill) / (kKills + 1));
    cairnd::test::Process daemon(CAIRND_PATH, {"--config", config}, variables);
    if (kill % 3 != 0) REQUIRE_MESSAGE(daemon.wait_for_error_text("\"daemon.ready\""), daemon.error());
    // The moment of the kill is the random input of this test, not something waited for.
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 350));
    daemon.signal(SIGKILL);
    CHECK(daemon.wait() == 128 + SIGKILL);
  }
  append_until(trace.check_ins.size());

  EngineOptions options;
  options.state_dir = state;
  options.state.free_bytes_min = 0;
  options.sql.dsn = dsn;
  options.files = {{"stream", file, true}};
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(10)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  const Totals totals = aggregate(trace);
  check_features(**engine, trace, totals);
  check_tables(dsn, totals);
}

}  // namespace
}  // namespace cairn::test
