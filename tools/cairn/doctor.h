#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/config.h"
#include "tools/cairn/commands.h"

namespace cairn::cli {

enum class Health : std::uint8_t { kOk, kWarn, kFail };

/// One thing that was looked at.
struct Finding {
  std::string check;
  Health health = Health::kOk;
  std::string detail;
  std::string remedy;  ///< what to do; empty when there is nothing to do
};

/// The configuration that the checks of this machine go by: the file's when it is there and usable, else the defaults.
struct DoctorConfig {
  config::Config config;
  std::vector<Finding> findings;
};
/// `required`: the file was named by the caller, so that its absence is a failure and not a remark.
[[nodiscard]] DoctorConfig examine_config(const std::string& path, bool required);

// What this machine offers. Each looks, changes nothing that lasts, and ends within seconds, where it does not say
// else.
[[nodiscard]] std::vector<Finding> examine_state_dir(const EngineOptions& options);
/// Reads every byte of the state: takes as long as the disk needs.
[[nodiscard]] std::vector<Finding> examine_state_files(const EngineOptions& options);
[[nodiscard]] Finding examine_database(const EngineOptions& options);
[[nodiscard]] Finding examine_open_files(std::size_t connections_max);
[[nodiscard]] Finding examine_clock();

/// What a running server says of itself: reachable, ready check by check, computing on what.
[[nodiscard]] std::vector<Finding> examine_server(const GlobalOptions& options);

}  // namespace cairn::cli
