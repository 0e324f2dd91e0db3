#include "tests/tools/cairnd/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

namespace cairn::cairnd::test {
namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return {ends[0], ends[1]};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// Appends what can be read now. Returns: false at the end of the stream.
bool drain(int fd, std::string* to) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got > 0) to->append(buffer.data(), static_cast<std::size_t>(got));
  return got > 0;
}

}  // namespace

long monotonic_ms() {
  using namespace std::chrono;
  return static_cast<long>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

Process::Process(const std::string& program, const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& environment) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (const char* name : {"PATH", "TSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);
  const Pipe output = make_pipe();
  const Pipe error = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::dup2(output.write_end, STDOUT_FILENO);
    ::dup2(error.write_end, STDERR_FILENO);
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(output.write_end);
  ::close(error.write_end);
  output_fd_ = output.read_end;
  error_fd_ = error.read_end;
}

Process::~Process() {
  if (!reaped_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (output_fd_ >= 0) ::close(output_fd_);
  if (error_fd_ >= 0) ::close(error_fd_);
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::read_some(long deadline_ms) {
  std::array<pollfd, 2> fds = {{{output_fd_, POLLIN, 0}, {error_fd_, POLLIN, 0}}};
  const long left = deadline_ms - monotonic_ms();
  ::poll(fds.data(), fds.size(), static_cast<int>(left > 0 ? left : 0));
  if (fds[0].revents != 0 && !drain(output_fd_, &output_)) {
    ::close(output_fd_);
    output_fd_ = -1;  // poll ignores negative descriptors
  }
  if (fds[1].revents != 0 && !drain(error_fd_, &error_)) {
    ::close(error_fd_);
    error_fd_ = -1;
  }
  return output_fd_ >= 0 || error_fd_ >= 0;
}

bool Process::wait_for_error_text(const std::string& text) {
  const long deadline = monotonic_ms() + kPatienceMs;
  while (error_.find(text) == std::string::npos) {
    if (monotonic_ms() >= deadline || !read_some(deadline)) return error_.find(text) != std::string::npos;
  }
  return true;
}

std::optional<int> Process::wait() {
  const long deadline = monotonic_ms() + kPatienceMs;
  while (read_some(deadline)) {
    if (monotonic_ms() >= deadline) return std::nullopt;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);  // its streams have ended, so it has or is about to
  reaped_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace cairn::cairnd::test
