#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cairn::bench {

/// What the command line asks for. A number that is not given is chosen by each case, smaller with --quick.
struct IngestOptions {
  bool quick = false;
  std::vector<std::string> only;  ///< names of cases; empty: those that run unless asked otherwise
  std::optional<std::size_t> events;
  std::optional<std::size_t> users;
  std::optional<std::size_t> places;
  std::optional<std::size_t> rounds;  ///< of each side, in turn
  std::string data_folder;            ///< where made events are kept from run to run; empty: gone at the end
};

/// Returns: nullopt for arguments that are not understood, said on stderr.
[[nodiscard]] std::optional<IngestOptions> parse_ingest_options(int argc, char** argv);

}  // namespace cairn::bench
