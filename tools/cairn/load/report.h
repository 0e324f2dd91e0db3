#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/cairn/load/ramp.h"

namespace cairn::load {

/// All that `cairn load` has to say.
struct LoadReport {
  std::string url;
  std::string mix;  ///< as on the command line
  LoadOptions options;
  std::vector<Step> steps;
  std::optional<Goal> goal;  ///< of a ramp
};

/// For programs, and for `cairn capacity`. Times are milliseconds, rates requests a second.
[[nodiscard]] nlohmann::json to_json(const LoadReport& report);

/// For people: a table of latencies for one step, of steps for a ramp.
[[nodiscard]] std::string to_text(const LoadReport& report, bool color);

/// A second, as one line without its end.
[[nodiscard]] std::string to_line(const LoadSecond& second);

/// The latencies by percentile as a picture, one line a step, both axes logarithmic.
[[nodiscard]] std::string to_svg(const LoadReport& report);

}  // namespace cairn::load
