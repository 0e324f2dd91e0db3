#include "engine/state/state_directory.h"

#include <filesystem>
#include <system_error>

namespace cairn::state {

namespace fs = std::filesystem;

Result<StateDirectory> StateDirectory::open(const std::string& path) {
  if (path.empty()) return invalid_argument("state_dir is empty; name a directory for the engine's state");
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return unavailable("cannot create state directory '" + path + "': " + error.message());
  return StateDirectory(path);
}

Result<StateDirectory> StateDirectory::create_new(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error)) return Status(StatusCode::kAlreadyExists, "'" + path + "' exists; name a new directory");
  if (!fs::create_directory(path, error)) return invalid_argument("cannot create '" + path + "': " + error.message());
  return StateDirectory(path);
}

std::uint64_t StateDirectory::bytes() const {
  std::uint64_t total = 0;
  std::error_code error;
  // What cannot be looked at counts nothing: the sum is for people.
  for (fs::recursive_directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    const std::uintmax_t size = entry->is_regular_file(unknown) ? entry->file_size(unknown) : 0;
    if (!unknown) total += size;
  }
  return total;
}

void StateDirectory::remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace cairn::state
