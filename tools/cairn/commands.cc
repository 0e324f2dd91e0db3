#include "tools/cairn/commands.h"

#include <cstdio>

#include <CLI/Error.hpp>
#include <CLI/TypeTools.hpp>
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

CLI::Validator from_zero() {
  return {[](const std::string& text) {
            const bool natural = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
            return natural ? std::string() : "'" + text + "' is no whole number from 0 on";
          },
          "0 to N"};
}

CLI::Validator between(double low, double high) {
  const auto text_of = [](double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", number);
    return std::string(text);
  };
  const std::string range = text_of(low) + " to " + text_of(high);
  return {[=](const std::string& text) {
            double number = 0.0;
            const bool in_range = CLI::detail::lexical_cast(text, number) && number >= low && number <= high;
            return in_range ? std::string() : "'" + text + "' is no number from " + range;
          },
          range};
}

std::string examples(std::string_view lines) { return "Examples:\n" + std::string(lines); }

}  // namespace cairn::cli
