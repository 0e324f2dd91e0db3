#include "tests/support/temporary_folder.h"

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace cairn::test {

TemporaryFolder::TemporaryFolder() : path_(std::filesystem::temp_directory_path() / "cairn-test-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace cairn::test
