// The main function of every test program. What it adds to doctest's own: output that is not lost when a program is
// killed, a time limit for each case, an exit code that tells of skips (tests/support/skip.h), and counters of lines
// case by case in a program that has some.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <execinfo.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "tests/support/skip.h"

// libgcov's, in a program that is linked with --coverage and asks for them; else null.
extern "C" {
__attribute__((weak)) void __gcov_dump();
__attribute__((weak)) void __gcov_reset();
}

namespace {

/// How many times longer things take here than in an ordinary build.
unsigned slowness() {
  const char* preloaded = std::getenv("LD_PRELOAD");
  if (preloaded != nullptr && std::strstr(preloaded, "vgpreload") != nullptr) return 20;  // valgrind's own library
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 5;
#else
  return 1;
#endif
}

/// How long a case may take; 0: for ever, as under a debugger. CAIRN_CASE_SECONDS is somebody's wish, and
/// CAIRN_CASE_SECONDS_USUAL what CMake made of the program's own limit (cairn_test).
unsigned case_seconds() {
  if (const char* wished = std::getenv("CAIRN_CASE_SECONDS")) return static_cast<unsigned>(std::atoi(wished));
  if (const char* usual = std::getenv("CAIRN_CASE_SECONDS_USUAL")) return static_cast<unsigned>(std::atoi(usual));
  return 120 * slowness();
}

// What the handler says, made up beforehand: nothing that allocates may be called there.
char verdict[1024];
std::size_t verdict_size = 0;
char own_pid[16];

void say(const char* text, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(STDERR_FILENO, text, size);
    if (written <= 0) return;
    text += written;
    size -= static_cast<std::size_t>(written);
  }
}

/// The stacks of all threads, where gdb is installed.
void say_stacks() {
  void* frames[64];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, 64), STDERR_FILENO);
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const pid_t child = ::vfork();
  if (child == 0) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    ::execlp("timeout", "timeout", "-k", "1", "60", "gdb", "-nx", "-batch", "-p", own_pid, "-ex",
             "thread apply all bt 30", nullptr);
    ::_exit(127);
  }
  if (child > 0) ::waitpid(child, nullptr, 0);
}

/// On SIGALRM. No thread of ours waits for the time: tests count threads, and fork.
void give_up(int) {
  say(verdict, verdict_size);
  say_stacks();
  std::abort();  // doctest reports the case as crashed
}

/// What hears of the beginning and the end of cases alone.
class CaseListener : public doctest::IReporter {
 public:
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

/// Sets the time for each case. It knows nothing of subcases: all of a case's rounds together have the one limit.
class TimeLimit : public CaseListener {
 public:
  explicit TimeLimit(const doctest::ContextOptions&) {}

  void test_run_start() override {
    void* frames[1];
    ::backtrace(frames, 1);  // the first call loads a library, which a handler must not
    const std::string pid = std::to_string(::getpid());
    std::copy(pid.begin(), pid.end(), own_pid);
    std::signal(SIGALRM, give_up);
  }
  void test_case_start(const doctest::TestCaseData& running) override {
    const std::string text = "\ncairn: the case \"" + std::string(running.m_name) + "\" (" + running.m_file.c_str() +
                             ":" + std::to_string(running.m_line) + ") has not ended within " +
                             std::to_string(seconds_) + " s (CAIRN_CASE_SECONDS)\n";
    verdict_size = text.copy(verdict, sizeof verdict);
    ::alarm(seconds_);
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override { ::alarm(0); }

 private:
  const unsigned seconds_ = case_seconds();
};

REGISTER_LISTENER("time_limit", 1, TimeLimit);

/// Leaves the counters of each case in a folder of its own below CAIRN_COVERAGE, with "case": its name, source and
/// seconds. Processes that a case starts leave theirs there, too. What ran before the first case is in "start". For
/// tools/mutate.
class CoverageByCase : public CaseListener {
 public:
  explicit CoverageByCase(const doctest::ContextOptions&) {}

  void test_run_start() override {
    if (folder_ == nullptr || __gcov_dump == nullptr) return;
    ::setenv("GCOV_PREFIX", (std::string(folder_) + "/start").c_str(), 1);
    __gcov_dump();
    __gcov_reset();
  }
  void test_case_start(const doctest::TestCaseData& running) override {
    if (folder_ == nullptr) return;
    running_ = &running;
    begin_ = std::chrono::steady_clock::now();
    ::setenv("GCOV_PREFIX", case_folder().c_str(), 1);
    if (__gcov_reset != nullptr) __gcov_reset();
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    if (folder_ == nullptr) return;
    if (__gcov_dump != nullptr) __gcov_dump();
    if (__gcov_reset != nullptr) __gcov_reset();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
    std::filesystem::create_directories(case_folder());
    std::ofstream(case_folder() + "/case")
        << running_->m_name << "\t" << running_->m_file.c_str() << "\t" << seconds.count();
    ++cases_;
  }

 private:
  [[nodiscard]] std::string case_folder() const { return std::string(folder_) + "/" + std::to_string(cases_); }

  const char* folder_ = std::getenv("CAIRN_COVERAGE");
  int cases_ = 0;
  const doctest::TestCaseData* running_ = nullptr;
  std::chrono::steady_clock::time_point begin_;
};

REGISTER_LISTENER("coverage_by_case", 2, CoverageByCase);

}  // namespace

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // a program that is killed has said all that it had to say
  doctest::Context context(argc, argv);
  const int result = context.run();
  const char* skip_code = std::getenv("CAIRN_SKIP_CODE");
  if (result == 0 && cairn::test::skips > 0 && skip_code != nullptr) return std::atoi(skip_code);
  return result;
}
