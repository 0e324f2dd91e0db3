#pragma once

#include <map>
#include <string>
#include <vector>

namespace cairn::cli_test {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// Runs the built `cairn` with these arguments to its end, standard output and error read from files (so that neither
/// is a terminal). `environment` is added to a bare one.
[[nodiscard]] Outcome run_cli(const std::vector<std::string>& arguments, const std::string& input = "",
                              const std::map<std::string, std::string>& environment = {});

}  // namespace cairn::cli_test
