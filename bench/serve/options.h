#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cairn::bench {

/// What the command line asks for.
struct ServeOptions {
  bool quick = false;
  std::vector<std::string> only;      ///< names of cases; empty: those that run unless asked otherwise
  std::optional<std::size_t> rounds;  ///< of each side, in turn
};

/// Returns: nullopt for arguments that are not understood, said on stderr.
[[nodiscard]] std::optional<ServeOptions> parse_serve_options(int argc, char** argv);

}  // namespace cairn::bench
