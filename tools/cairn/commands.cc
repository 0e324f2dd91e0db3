#include "tools/cairn/commands.h"

#include <cstdio>

#include <CLI/Error.hpp>

namespace cairn::cli {

void exit_with(int exit_code) { throw CLI::RuntimeError(exit_code); }

int exit_code_of(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kDeadlineExceeded:
      return kExitTimeout;
    default:
      return kExitFailed;
  }
}

void fail(const Status& status) {
  std::fprintf(stderr, "cairn: %s\n", status.to_string().c_str());
  exit_with(exit_code_of(status.code()));
}

std::string examples(std::string_view lines) { return "Examples:\n" + std::string(lines); }

}  // namespace cairn::cli
