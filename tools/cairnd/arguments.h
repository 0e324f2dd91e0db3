#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::cairnd {

struct Arguments {
  enum class Mode : std::uint8_t { kRun, kCheckConfig, kShowConfig, kPrintSampleConfig };
  Mode mode = Mode::kRun;
  std::string config_path = "/etc/cairn/cairn.toml";
  bool accept_log_loss = false;  ///< EngineOptions::accept_log_loss
};

/// Reads the command line. --help and --version are answered here, on standard output, mistakes on standard error.
/// Returns: nullopt when there is nothing left to do but to exit with `*exit_code`.
[[nodiscard]] std::optional<Arguments> parse_arguments(int argc, const char* const* argv, std::string_view version,
                                                       int* exit_code);

}  // namespace cairn::cairnd
