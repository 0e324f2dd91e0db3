#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/skip.h"

namespace cairn::test {

/// The folder of real data, CAIRN_DATA or else beside the checkout. Returns: empty when `what` is not in it, after
/// saying that the case is skipped.
inline std::string real_data_with(const std::string& what) {
  const char* given = std::getenv("CAIRN_DATA");
  const char* source = std::getenv("CAIRN_SOURCE_DIR");
  const std::string folder =
      given != nullptr ? given : std::string(source != nullptr ? source : ".") + "/../shared/data";
  if (std::filesystem::exists(std::filesystem::path(folder) / what)) return folder;
  skip("no " + what + " in " + folder + "; set CAIRN_DATA to the folder that holds it");
  return {};
}

}  // namespace cairn::test
