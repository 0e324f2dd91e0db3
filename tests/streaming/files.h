#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/temporary_folder.h"

namespace cairn::streaming {

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline void append_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return std::move(bytes).str();
}

/// What gzip(1) makes of `bytes`: one member.
inline std::string gzipped(const test::TemporaryFolder& scratch, std::string_view bytes) {
  const std::string path = scratch / "to-gzip";
  write_file(path, bytes);
  REQUIRE(std::system(("gzip -nf '" + path + "'").c_str()) == 0);
  const std::string packed = file_bytes(path + ".gz");
  std::filesystem::remove(path + ".gz");
  return packed;
}

}  // namespace cairn::streaming
