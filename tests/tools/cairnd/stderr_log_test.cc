#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tools/cairnd/log/log.h"

namespace cairn::cairnd::test {
namespace {

/// Standard error into a file, for as long as it lives.
class RedirectedStderr {
 public:
  explicit RedirectedStderr(const std::string& path) : saved_(::dup(STDERR_FILENO)) {
    const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~RedirectedStderr() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }
  RedirectedStderr(const RedirectedStderr&) = delete;
  RedirectedStderr& operator=(const RedirectedStderr&) = delete;

 private:
  int saved_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("records of the level and above are on standard error when the log has ended") {
  const cairn::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/log";
  {
    const RedirectedStderr redirected(path);
    Log log(LogLevel::kInfo, LogStyle::kJournal);
    const Logger logger = log.logger();
    logger.debug("a", "left out");
    logger.info("b", "kept {} %v", {{"k", "v"}});  // no formatting language is applied to a message
    log.set_level(LogLevel::kError);
    logger.warning("c", "left out");
    logger.error("d", "kept");
  }
  CHECK(lines_of(path) == std::vector<std::string>{"<6>b: kept {} %v k=v", "<3>d: kept"});
}

TEST_CASE("many threads write whole lines, and a flood of one event is told by its count") {
  const cairn::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/log";
  constexpr int kThreads = 4;
  constexpr int kEach = 1'000;
  {
    const RedirectedStderr redirected(path);
    Log log(LogLevel::kInfo, LogStyle::kJournal);
    const Logger logger = log.logger();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&logger] {
        for (int i = 0; i < kEach; ++i) logger.warning("flood", "again");
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::vector<std::string> lines = lines_of(path);
  REQUIRE(lines.size() == 21);  // a burst of 20 and the summary
  for (int i = 0; i < 20; ++i) CHECK(lines[static_cast<std::size_t>(i)] == "<4>flood: again");
  CHECK(lines.back() == "<4>flood: again (the last of those left out) left_out=3980 left_out_within_ms=10000");
}

TEST_CASE("a logger that outlives its log writes nothing and harms nothing") {
  Logger logger;
  {
    Log log(LogLevel::kInfo, LogStyle::kText);
    logger = log.logger();
  }
  logger.error("late", "nobody listens");
}

TEST_CASE("a log ends although nobody reads standard error, and many records wait") {
  int pipe_ends[2];
  REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(pipe_ends[1], STDERR_FILENO);
  std::promise<void> promise;
  std::future<void> ended = promise.get_future();
  std::thread writer([&promise] {
    {
      Log log(LogLevel::kDebug, LogStyle::kText);
      const Logger logger = log.logger();
      for (int i = 0; i < 20'000; ++i) logger.debug("full", std::string(100, 'x'));  // 2 MB, a pipe takes 64 KiB
    }
    promise.set_value();
  });
  const bool in_time = ended.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
  // Set free whatever happened, so that the test ends.
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(pipe_ends[1]);
  std::thread reader([&] {
    char buffer[4096];
    while (::read(pipe_ends[0], buffer, sizeof buffer) > 0) {
    }
  });
  writer.join();
  reader.join();
  ::close(pipe_ends[0]);
  CHECK(in_time);
}

TEST_CASE("the journal's style is taken only when standard error is the journal's stream") {
  const cairn::test::TemporaryFolder folder;
  const RedirectedStderr redirected(folder.path() + "/log");
  struct stat info {};
  REQUIRE(::fstat(STDERR_FILENO, &info) == 0);
  ::setenv("JOURNAL_STREAM", (std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)).c_str(), 1);
  CHECK(text_style_for_stderr() == LogStyle::kJournal);
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  CHECK(text_style_for_stderr() == LogStyle::kText);
  ::unsetenv("JOURNAL_STREAM");
  CHECK(text_style_for_stderr() == LogStyle::kText);
}

}  // namespace
}  // namespace cairn::cairnd::test
