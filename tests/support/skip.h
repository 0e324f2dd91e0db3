#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>

namespace cairn::test {

/// How many skips this program has told of. tests/doctest_main.cc ends with CAIRN_SKIP_CODE when there were some.
inline std::atomic<int> skips{0};

/// Says that a part of this case is not run, and why. The message goes to the output, and one line
/// "program<TAB>case<TAB>reason" to the file that CAIRN_SKIPS names, which tools/test prints at its end. Any thread.
inline void skip_part(std::string_view reason, std::source_location where = std::source_location::current()) {
  std::string line(reason);
  for (char& letter : line) {
    if (letter == '\n' || letter == '\t') letter = ' ';
  }
  ADD_MESSAGE_AT(where.file_name(), static_cast<int>(where.line()), "SKIPPED: " << line);
  const char* file = std::getenv("CAIRN_SKIPS");
  if (file == nullptr) return;
  const doctest::ContextOptions& running = *doctest::getContextOptions();
  line = std::string(::program_invocation_short_name) + "\t" + running.currentTest->m_name + "\t" + line + "\n";
  // One write to a file that is only added to: programs run side by side.
  const int fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool told = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ::close(fd);
  CHECK_MESSAGE(told, "cannot write to CAIRN_SKIPS=" << file);
}

/// Says that this case is not run, and why: `return skip("no such server here");`. doctest has no word for that and
/// counts the case as passed, so every case that does nothing on some machines calls this. The reason says what is
/// missing, and how to get it where that is not plain. Other than skip_part, it makes the program "Skipped" to ctest.
inline void skip(std::string_view reason, std::source_location where = std::source_location::current()) {
  ++skips;
  skip_part(reason, where);
}

}  // namespace cairn::test
