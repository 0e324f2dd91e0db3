#include "tools/cairn/commands.h"

#include <cstdio>

#include <CLI/Error.hpp>
#include <CLI/Validators.hpp>

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

CLI::Validator from_one() {
  return {[](const std::string& text) {
            const bool natural = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
                                 text.find_first_not_of('0') != std::string::npos;
            return natural ? std::string() : "'" + text + "' is no whole number from 1 on";
          },
          "1 to N"};
}

std::string examples(std::string_view lines) { return "Examples:\n" + std::string(lines); }

}  // namespace cairn::cli
