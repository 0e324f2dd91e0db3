#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cairn::test {

/// The files below a folder, by their paths in it, with their sizes. One that goes while we look is left out.
using Listing = std::vector<std::pair<std::string, std::uintmax_t>>;

inline Listing list_files(const std::string& directory) {
  namespace fs = std::filesystem;
  Listing files;
  std::error_code gone;
  for (fs::recursive_directory_iterator file(directory, gone), end; file != end; file.increment(gone)) {
    if (!file->is_regular_file(gone)) continue;
    files.emplace_back(file->path().lexically_relative(directory), file->file_size(gone));
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Copies a directory as it is at one moment: RocksDB may still be clearing away what it no longer needs.
inline void copy_at_rest(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  for (Listing before; before.empty() || before != list_files(from);) {
    before = list_files(from);
    fs::remove_all(to);
    std::error_code gone;
    for (const auto& [name, size] : before) {
      fs::create_directories((fs::path(to) / name).parent_path());
      fs::copy_file(fs::path(from) / name, fs::path(to) / name, gone);
    }
  }
}

}  // namespace cairn::test
