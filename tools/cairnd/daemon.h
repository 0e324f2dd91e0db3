#pragma once

#include <string>

#include "engine/config/config.h"
#include "tools/cairnd/exit_code.h"
#include "tools/cairnd/notify.h"
#include "tools/cairnd/signals.h"

namespace cairn::cairnd {

/// Where the configuration came from, to read it again at SIGHUP.
struct ConfigSource {
  std::string path;
  config::Environment environment;
  config::Vocabulary vocabulary;
};

/// Opens the engine, serves it, watches over it, and stops it in order when told to: nothing new is accepted, requests
/// in flight finish, the engine stores what it has, the process ends.
///
/// Requires: `report.ok()`. Returns: the process's exit code.
[[nodiscard]] ExitCode run_daemon(config::ConfigReport report, const ConfigSource& source, Signals& signals,
                                  const Notifier& notifier);

}  // namespace cairn::cairnd
