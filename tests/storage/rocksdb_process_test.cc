// Two processes: one that is killed in the middle of writing, one that holds the directory.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace {

/// A storage_process with a pipe to it and one from it. Killed and reaped at the end at the latest.
class Process {
 public:
  Process(const char* role, const std::string& directory) {
    int in[2];
    int out[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::string program = CAIRN_STORAGE_PROCESS;
    std::string word = role;
    std::string path = directory;
    char* argv[] = {program.data(), word.data(), path.data(), nullptr};
    REQUIRE(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = ::fdopen(out[0], "r");
  }
  ~Process() {
    kill();
    std::fclose(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// The next line it says; empty when it has ended.
  std::string line() {
    char text[64];
    if (std::fgets(text, sizeof text, output_) == nullptr) return {};
    std::string line(text);
    if (!line.empty() && line.back() == '\n') line.pop_back();
    return line;
  }

  void kill() {
    if (input_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(input_);
    input_ = -1;
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  std::FILE* output_ = nullptr;
};

TEST_CASE("kill -9 while writing leaves every batch whole and every acknowledged one there") {
  TempDir dir;
  constexpr unsigned kSeed = 20240917;
  INFO("seed ", kSeed);
  std::mt19937 random(kSeed);
  int held = 0;
  for (int round = 0; round < 10; ++round) {
    INFO("round ", round);
    Process process("write", dir / "state");
    const int kill_after = std::uniform_int_distribution(1, 400)(random);
    int acknowledged = 0;
    for (int i = 0; i < kill_after; ++i) {
      const std::string line = process.line();
      REQUIRE(!line.empty());
      acknowledged = std::stoi(line);
    }
    process.kill();
    while (true) {  // what it had said before it died
      const std::string line = process.line();
      if (line.empty()) break;
      acknowledged = std::stoi(line);
    }
    const int before = held;
    held = check_numbered(*open_small(dir / "state"));
    CHECK(held >= acknowledged);
    CHECK(held <= acknowledged + 1);
    CHECK(held > before);
  }
}

TEST_CASE("kill -9 between flushes and a log that is gone leave a prefix of the batches, with all that was flushed") {
  TempDir dir;
  constexpr unsigned kSeed = 20250315;
  INFO("seed ", kSeed);
  std::mt19937 random(kSeed);
  int cut = 0;
  for (int round = 0; round < 12; ++round) {
    INFO("round ", round);
    const std::string state = dir / ("state " + std::to_string(round / 3));  // each dies three times
    Process process("churn", state);
    int flushed = 0;
    int acknowledged = 0;
    const auto note = [&](const std::string& line) {
      const bool flush = line.starts_with("flushed ");
      (flush ? flushed : acknowledged) = std::stoi(flush ? line.substr(8) : line);
    };
    for (int lines = std::uniform_int_distribution(1, 300)(random); lines > 0; --lines) {
      const std::string line = process.line();
      REQUIRE(!line.empty());
      note(line);
    }
    process.kill();
    for (std::string line = process.line(); !line.empty(); line = process.line()) note(line);

    std::vector<std::filesystem::path> logs;
    for (const auto& file : std::filesystem::directory_iterator(state)) {
      if (file.path().extension() == ".log") logs.push_back(file.path());
    }
    std::sort(logs.begin(), logs.end());
    if (random() % 3 == 0) {
      for (const auto& log : logs) std::filesystem::remove(log);
    } else {
      std::filesystem::remove(logs.at(random() % logs.size()));
    }
    const int held = check_numbered(*open_small(state));
    CHECK(held >= flushed);
    CHECK(held <= acknowledged + 1);
    cut += held < acknowledged;
  }
  CHECK(cut > 0);
}

TEST_CASE("a directory that another process holds is refused with its pid until it is gone") {
  TempDir dir;
  Process holder("hold", dir / "state");
  REQUIRE(holder.line() == "open");
  const auto refused = open_rocksdb_store(small_options(dir / "state"));
  REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
  INFO(refused.status().to_string());
  CHECK(refused.status().message().find("held by process " + std::to_string(holder.pid()) + " since ") !=
        std::string::npos);
  CHECK(refused.status().message().find("choose another state.dir") != std::string::npos);
  holder.kill();
  CHECK(open_rocksdb_store(small_options(dir / "state")).ok());
}

TEST_CASE("a process is told when this one holds the directory") {
  TempDir dir;
  auto store = open_small(dir / "state");
  Process other("hold", dir / "state");  // says so on its error output and ends
  CHECK(other.line().empty());
}

}  // namespace
}  // namespace cairn::storage
