#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace cairn::internal {

[[noreturn]] inline void check_failed(const char* file, int line, const char* expression, const std::string& detail) {
  std::fprintf(stderr, "cairn: broken invariant at %s:%d: %s%s%s\n", file, line, expression, detail.empty() ? "" : ": ",
               detail.c_str());
  std::abort();
}

}  // namespace cairn::internal

/// States an invariant of our own. A broken one stops the process, in release builds too: going on would write wrong
/// numbers. Never for input, disks or peers, which may be wrong at any time and are answered with a Status.
#define CAIRN_CHECK(condition) CAIRN_CHECK_MSG(condition, std::string())
#define CAIRN_CHECK_MSG(condition, detail) \
  ((condition) ? static_cast<void>(0) : ::cairn::internal::check_failed(__FILE__, __LINE__, #condition, (detail)))
