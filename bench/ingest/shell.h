#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "cairn/check.h"

namespace cairn::bench {

/// How a command ended, and all that it wrote.
struct ShellAnswer {
  int status = 0;
  std::string output;
};

[[nodiscard]] inline ShellAnswer shell(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  CAIRN_CHECK(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), got);
  return {::pclose(pipe), output};
}

}  // namespace cairn::bench
