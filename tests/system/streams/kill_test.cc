#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/skip.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/feeds.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

/// Of each kind of source. CAIRN_KILLS asks for another number.
std::size_t kills() { return environment_number("CAIRN_KILLS", 30); }

/// Half of the check-ins of both traces would do; all of one are taken, so that the totals are the published ones.
Trace some_trace(std::uint32_t seed) {
  const std::string folder = data_folder();
  if (!folder.empty()) return seed % 2 == 0 ? read_gowalla(folder) : read_foursquare(folder);
  skip_part("real data; 60,000 made-up check-ins instead. Set CAIRN_DATA to the folder of foursquare_nyc");
  std::mt19937 random(seed);
  return made_up_trace(random);
}

/// Small batches and short windows: thousands of them for a kill to fall between, and into.
std::string write_config(const std::string& folder, const std::string& dsn, const Feed& feed) {
  std::string path = folder + "/cairn.toml";
  std::ofstream(path) << "[state]\ndir = \"" << folder << "/state\"\nfree_min = \"0B\"\nbatch_events_max = 500\n"
                      << "window = \"20ms\"\n"
                      << "[sql]\nbatch_rows_max = 1000\ndsn = \"" << dsn << "\"\n"
                      << "[log]\nformat = \"json\"\n"
                      << feed.config();
  return path;
}

void give_and_kill(Feed& feed, const std::string& config, std::size_t end, bool await_ready, int wait_ms) {
  if (!feed.asks_the_daemon()) feed.give_until(end, nullptr);
  cairnd::test::Process daemon(CAIRND_PATH, {"--config", config}, {{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
  if (await_ready) REQUIRE_MESSAGE(daemon.wait_for_error_text("\"daemon.ready\""), daemon.error());
  std::jthread killer([&] {
    // The moment of the kill is the random input of this test, not something waited for.
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    daemon.signal(SIGKILL);
  });
  if (feed.asks_the_daemon()) feed.give_until(end, &daemon);
  killer.join();
  CHECK(daemon.wait() == 128 + SIGKILL);
}

void check_after_kills(Feed& feed, const Trace& trace, std::uint32_t seed) {
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  std::mt19937 random(seed);
  const TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.sql.dsn = TestCluster::shared().fresh_database();
  feed.configure(&options);
  const std::string config = write_config(folder.path(), options.sql.dsn, feed);
  for (std::size_t kill = 1; kill <= kills(); ++kill) {
    INFO("kill ", kill);
    const std::size_t end = trace.check_ins.size() * kill / (kills() + 1);
    give_and_kill(feed, config, end, feed.asks_the_daemon() || kill % 3 != 0, static_cast<int>(random() % 350));
  }
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  feed.give_the_rest(**engine);
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(10)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  const Totals totals = aggregate(trace);
  check_features(**engine, trace, totals);
  check_tables(options.sql.dsn, totals);
}

TEST_CASE("a daemon killed again and again in the middle of a file loses nothing and doubles nothing") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20261);
  const Trace trace = some_trace(seed);
  const TemporaryFolder folder;
  FileFeed feed(trace, folder.path() + "/events.ndjson");
  check_after_kills(feed, trace, seed);
}

TEST_CASE("a daemon killed again and again in the middle of a topic loses nothing and doubles nothing") {
  if (!KafkaBroker::shared().here()) return;
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20262);
  const Trace trace = some_trace(seed);
  TopicFeed feed(trace);
  check_after_kills(feed, trace, seed);
}

TEST_CASE("a daemon killed again and again while it is posted to keeps what it acknowledged and doubles nothing") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20263);
  const Trace trace = some_trace(seed);
  ApiFeed feed(trace);
  check_after_kills(feed, trace, seed);
}

}  // namespace
}  // namespace cairn::test
