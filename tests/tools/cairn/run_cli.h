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

/// A folder under the system's temporary one, gone with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Writes a file and returns its path.
  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

}  // namespace cairn::cli_test
