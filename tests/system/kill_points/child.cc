// The process that is killed. CAIRN_KILL_AT=NAME:N kills it when it reaches the point NAME for the Nth time. Otherwise
// it ends by itself and leaves FOLDER/reached: a line for each point, its name and how often it was reached.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>

#include "cairn/kill_point.h"
#include "tests/system/kill_points/workload.h"

namespace {

std::mutex mutex;
std::map<std::string, std::size_t>& reached() {
  static std::map<std::string, std::size_t> counts;
  return counts;
}
std::string kill_at;
std::size_t kill_count = 0;

void read_kill_at() {
  const char* given = std::getenv("CAIRN_KILL_AT");
  if (given == nullptr) return;
  const std::string text = given;
  kill_at = text.substr(0, text.find(':'));
  kill_count = std::stoul(text.substr(text.find(':') + 1));
}

}  // namespace

void cairn::reach_kill_point(const char* name) noexcept {
  const std::lock_guard lock(mutex);
  if (++reached()[name] != kill_count || name != kill_at) return;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();  // no other thread goes on past a point either
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  read_kill_at();
  const cairn::test::Workload workload{argv[1], argv[2]};
  try {
    cairn::test::run_workload(workload);
  } catch (const std::runtime_error& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
  std::ofstream out(workload.folder + "/reached");
  for (const auto& [name, count] : reached()) out << name << ' ' << count << '\n';
  return 0;
}
