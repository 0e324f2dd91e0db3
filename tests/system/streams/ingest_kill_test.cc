#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

using cairnd::test::Process;

constexpr int kKills = 12;

/// What follows `before` in `text`, up to the next character that is no digit.
std::string number_after(const std::string& text, const std::string& before) {
  const std::size_t at = text.rfind(before);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + before.size();
  return text.substr(begin, text.find_first_not_of("0123456789", begin) - begin);
}

struct Site {
  explicit Site(std::string dsn_of_database) : dsn(std::move(dsn_of_database)) {
    // Short windows and small segments: keys outlive the part of the log that they came with.
    std::ofstream(config) << "[state]\ndir = \"" << state << "\"\nfree_min = \"0B\"\nwindow = \"20ms\"\n"
                          << "event_log_segment = \"1MiB\"\n"
                          << "[sql]\ndsn = \"" << dsn << "\"\n[log]\nformat = \"json\"\n";
  }

  [[nodiscard]] std::unique_ptr<Process> start_daemon() const {
    auto daemon = std::make_unique<Process>(CAIRND_PATH, std::vector<std::string>{"--config", config},
                                            std::map<std::string, std::string>{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
    REQUIRE_MESSAGE(daemon->wait_for_error_text("\"daemon.ready\""), daemon->error());
    REQUIRE(daemon->wait_for_error_text("\"port\":\""));
    return daemon;
  }
  [[nodiscard]] Process ingest(const Process& daemon, const std::string& from_line) const {
    const std::string url = "http://127.0.0.1:" + number_after(daemon.error(), "\"port\":\"");
    return {CAIRN_PATH, {"--url", url, "ingest", "--from-line", from_line, file}, {}};
  }

  const std::string dsn;
  const TemporaryFolder folder;
  const std::string file = folder / "events.ndjson";
  const std::string config = folder / "cairn.toml";
  const std::string state = folder / "state";
};

TEST_CASE("a file without event ids that is ingested through a dozen kills of the daemon counts once") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20271);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  std::mt19937 random(seed);
  const Trace trace = made_up_trace(random);
  const Site site(TestCluster::shared().fresh_database());
  std::ofstream out(site.file);
  for (const CheckIn& check_in : trace.check_ins) out << to_json(check_in) << "\n";
  out.close();

  std::string line = "1";
  int broken_off = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const auto daemon = site.start_daemon();
    Process ingest = site.ingest(*daemon, line);
    // The moment of the kill is the random input of this test, not something waited for.
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 120));
    daemon->signal(SIGKILL);
    CHECK(daemon->wait() == 128 + SIGKILL);
    const auto code = ingest.wait();
    REQUIRE(code.has_value());
    if (*code == 0) break;
    ++broken_off;
    line = number_after(ingest.error(), "--from-line ");
    REQUIRE_MESSAGE(!line.empty(), ingest.error());
  }
  CHECK(broken_off > 2);
  {
    const auto daemon = site.start_daemon();
    Process rest = site.ingest(*daemon, line);
    REQUIRE(rest.wait() == 0);
    // Once more from the beginning: the parts are the same, and all of them are known.
    Process again = site.ingest(*daemon, "1");
    REQUIRE(again.wait() == 0);
    CHECK(again.output().find("60,000 of them had been taken from this file before") != std::string::npos);
    daemon->signal(SIGTERM);
    CHECK(daemon->wait() == 0);
  }

  EngineOptions options;
  options.state_dir = site.state;
  options.state.free_bytes_min = 0;
  options.sql.dsn = site.dsn;
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(5)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  const Totals totals = aggregate(trace);
  check_features(**engine, trace, totals);
  check_tables(site.dsn, totals);
}

}  // namespace
}  // namespace cairn::test
