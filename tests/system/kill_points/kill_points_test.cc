#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/kill_points/workload.h"
#include "tests/system/streams/ledger.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;

/// Every point that stands in the sources.
std::set<std::string> names_in_sources() {
  static const std::regex point("CAIRN_KILL_POINT\\(\"([a-z_.]+)\"\\);");
  std::set<std::string> names;
  for (const char* folder : {"engine", "storage", "streaming", "sql"}) {
    for (const auto& entry : fs::recursive_directory_iterator(std::string(CAIRN_SOURCE_DIR) + "/" + folder)) {
      if (entry.path().extension() != ".cc") continue;
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string source = text.str();
      for (std::sregex_iterator at(source.begin(), source.end(), point), end; at != end; ++at) names.insert((*at)[1]);
    }
  }
  return names;
}

/// Returns: how the child ended. "": it is not killed.
int run_child(const Workload& workload, const std::string& kill_at) {
  std::map<std::string, std::string> variables;
  if (!kill_at.empty()) variables["CAIRN_KILL_AT"] = kill_at;
  cairnd::test::Process child(CHILD_PATH, {workload.folder, workload.dsn}, variables);
  const int end = child.wait().value_or(-1);
  INFO(child.error());
  CHECK((end == 0 || end == 128 + SIGKILL));
  return end;
}

struct Prepared {
  TemporaryFolder folder;
  Workload workload{folder.path(), TestCluster::shared().fresh_database()};
  Prepared() { prepare(workload); }
};

std::map<std::string, std::size_t> reached_by_a_whole_run() {
  const Prepared prepared;
  REQUIRE(run_child(prepared.workload, "") == 0);
  std::map<std::string, std::size_t> reached;
  std::ifstream in(prepared.workload.folder + "/reached");
  std::string name;
  for (std::size_t count = 0; in >> name >> count;) reached[name] = count;
  return reached;
}

void check_that_all_is_exact(const Workload& workload) {
  run_workload(workload,
               [](const Engine& engine, const Trace& trace) { check_features(engine, trace, aggregate(trace)); });
  check_tables(workload.dsn, aggregate(workload_trace()));
}

TEST_CASE("a process that is killed at any of the named points loses nothing and doubles nothing") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 11);
  const std::size_t rounds = environment_number("CAIRN_KILL_ROUNDS", 1);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  std::mt19937 random(seed);
  const std::set<std::string> names = names_in_sources();
  CHECK(names.size() >= 25);
  std::map<std::string, std::size_t> reached = reached_by_a_whole_run();
  std::size_t kills = 0;
  for (const std::string& name : names) {
    CHECK_MESSAGE(reached[name] > 0, name, " is never reached: is its source in this folder's CMakeLists.txt?");
    for (std::size_t round = 0; reached[name] > 0 && round < rounds; ++round) {
      const Prepared prepared;
      // How often a point is reached differs from run to run: the first time comes in each.
      const std::string then = name + ":" + std::to_string(1 + random() % reached[name]);
      // The process that takes over is killed as well, soon.
      const std::string second = *std::next(names.begin(), static_cast<int>(random() % names.size()));
      INFO("killed at ", name, ":1, then at ", then, ", then at ", second, ":1");
      kills += run_child(prepared.workload, name + ":1") != 0;
      kills += run_child(prepared.workload, then) != 0;
      run_child(prepared.workload, second + ":1");
      check_that_all_is_exact(prepared.workload);
    }
  }
  // Two tries each; whether the second one comes so far depends on what the first has left to do.
  CHECK(kills >= names.size() * rounds);
}

}  // namespace
}  // namespace cairn::test
