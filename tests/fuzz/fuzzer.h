#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

/// One input through the code under test. It must return for every input, and it aborts the process when what the code
/// did was wrong. libFuzzer calls it, and so does the replay of kept inputs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace cairn::fuzz {

/// Says what was wrong and ends the process, so that the input at hand is reported as a finding.
[[noreturn]] inline void wrong(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

inline void check(bool right, const char* what) {
  if (!right) wrong(what);
}

}  // namespace cairn::fuzz
