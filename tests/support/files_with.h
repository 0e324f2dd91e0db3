#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace cairn::test {

/// The files below a folder that hold these bytes.
inline std::vector<std::string> files_with(const std::string& folder, const std::string& bytes) {
  std::vector<std::string> found;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (all.find(bytes) != std::string::npos) found.push_back(file.path().string());
  }
  return found;
}

}  // namespace cairn::test
