#include "bench/ingest/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cairn/check.h"

namespace cairn::bench {
namespace {

::pid_t spawn(const std::vector<std::string>& words, int output) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  CAIRN_CHECK_MSG(error == 0, std::strerror(error));
  return child;
}

std::map<std::string, double> read_numbers(int input) {
  std::map<std::string, double> numbers;
  std::FILE* lines = ::fdopen(input, "r");
  char line[256];
  while (std::fgets(line, sizeof line, lines) != nullptr) {
    char* const equals = std::strchr(line, '=');
    if (equals == nullptr) continue;
    numbers[std::string(line, equals)] = std::strtod(equals + 1, nullptr);
  }
  std::fclose(lines);
  return numbers;
}

}  // namespace

double ChildEnd::operator[](const std::string& name) const {
  const auto found = numbers.find(name);
  CAIRN_CHECK_MSG(found != numbers.end(), name + " was not told by the child");
  return found->second;
}

ChildEnd run_child(const std::string& role, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"bench_ingest", "--child", role};
  words.insert(words.end(), arguments.begin(), arguments.end());
  int ends[2];
  CAIRN_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  const ::pid_t child = spawn(words, ends[1]);
  ::close(ends[1]);
  ChildEnd end;
  end.numbers = read_numbers(ends[0]);
  int how = 0;
  CAIRN_CHECK(::waitpid(child, &how, 0) == child);
  if (WIFSIGNALED(how)) end.signal = WTERMSIG(how);
  CAIRN_CHECK_MSG(end.signal == SIGKILL || (WIFEXITED(how) && WEXITSTATUS(how) == 0), role + " failed");
  return end;
}

void tell(const std::string& name, double number) {
  std::printf("%s=%.17g\n", name.c_str(), number);
  std::fflush(stdout);
}

}  // namespace cairn::bench
