#pragma once

#include <optional>
#include <string>

#include "bench/ingest/data.h"

namespace cairn::bench {

/// The program in bench/peers/kafka-streams, built by Maven into the build folder.
class StreamsPeer {
 public:
  /// Returns: nullopt without Maven, Java or the artifacts, said on stderr.
  [[nodiscard]] static std::optional<StreamsPeer> build();

  /// Runs a topology ("count" or "views") over the whole topic. It checks the known counts itself.
  /// Returns: the seconds from its first event to the last one being committed. Stops the program when it fails.
  [[nodiscard]] double run(const std::string& topology, const std::string& brokers, const std::string& topic,
                           const Data& data) const;

 private:
  explicit StreamsPeer(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace cairn::bench
