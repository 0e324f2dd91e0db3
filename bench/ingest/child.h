#pragma once

#include <map>
#include <string>
#include <vector>

namespace cairn::bench {

/// How another process of this program ended, and what it wrote to stdout: lines NAME=NUMBER.
struct ChildEnd {
  int signal = 0;  ///< that ended it; 0: it exited with 0
  std::map<std::string, double> numbers;

  /// Stops the program when the child did not write it.
  [[nodiscard]] double operator[](const std::string& name) const;
};

/// Runs this program once more, as `role` (roles stand in ingest_bench.cc). For work whose memory is measured, must not
/// be in this process, or that is killed. Waits for its end. Stops the program when the child fails.
[[nodiscard]] ChildEnd run_child(const std::string& role, const std::vector<std::string>& arguments);

/// In the child: one line of the answer.
void tell(const std::string& name, double number);

}  // namespace cairn::bench
