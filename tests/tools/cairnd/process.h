#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cairn::cairnd::test {

/// How long anything in these tests may take before the test fails; nothing waits that long when all is well.
inline constexpr int kPatienceMs = 60'000;

/// A child process with its standard output and error captured. Killed at the end when it still runs.
class Process {
 public:
  /// `environment` is all the child gets, beside PATH and the options of sanitizers.
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& environment);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;

  /// Reads until `text` has come on standard error. Returns: false when the process ended or patience did.
  [[nodiscard]] bool wait_for_error_text(const std::string& text);

  /// Waits for the end. Returns: the exit code, 128 + the signal that killed it, or nullopt when patience ended.
  [[nodiscard]] std::optional<int> wait();

  [[nodiscard]] const std::string& output() const noexcept { return output_; }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  /// Reads what is there, waiting for it at most until `deadline_ms`. Returns: false when both streams have ended.
  bool read_some(long deadline_ms);

  pid_t pid_ = -1;
  bool reaped_ = false;
  int output_fd_ = -1;
  int error_fd_ = -1;
  std::string output_;
  std::string error_;
};

/// Milliseconds of a clock that only goes forward.
[[nodiscard]] long monotonic_ms();

}  // namespace cairn::cairnd::test
