#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/temporary_folder.h"

namespace cairn::model_test {

/// A folder that is gone with the object, and files in it.
class Scratch {
 public:
  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return name.empty() ? folder_.path() : folder_.path() + "/" + name;
  }
  /// Returns: the file's path.
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  test::TemporaryFolder folder_;
};

}  // namespace cairn::model_test
