#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gpu/backend.h"
#include "tests/support/skip.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

std::string built_library() {
  const char* build = std::getenv("CAIRN_BUILD_DIR");
  return build == nullptr ? std::string() : std::string(build) + "/gpu/cuda/libcairn_cuda.so";
}

TEST_CASE("a library that is not there is not found, and the message names it") {
  const auto backend = open_cuda_backend({.library = "/nowhere/libcairn_cuda.so"});
  CHECK(backend.status().code() == StatusCode::kNotFound);
  CHECK(backend.status().message().find("/nowhere/libcairn_cuda.so") != std::string::npos);
}

TEST_CASE("a library of something else is refused") {
  const auto backend = open_cuda_backend({.library = "/lib/x86_64-linux-gnu/libm.so.6"});
  if (!std::filesystem::exists("/lib/x86_64-linux-gnu/libm.so.6"))
    return test::skip("no libm.so.6 where Debian has it");
  CHECK(backend.status().code() == StatusCode::kFailedPrecondition);
  CHECK(backend.status().message().find("libm.so.6 is not a CUDA library of Cairn") != std::string::npos);
}

TEST_CASE("a file that is no library is refused") {
  const std::string path = (std::filesystem::temp_directory_path() / "cairn_not_a_library.so").string();
  std::ofstream(path) << "text";
  const auto backend = open_cuda_backend({.library = path});
  std::filesystem::remove(path);
  CHECK(backend.status().code() == StatusCode::kFailedPrecondition);
  CHECK(backend.status().message().find(path) != std::string::npos);
}

TEST_CASE("the library of this build opens a device, or says that there is none it can use") {
  if (!std::filesystem::exists(built_library())) return test::skip("no CUDA library in this build: no nvcc");
  const auto backend = open_cuda_backend({.library = built_library()});
  INFO(backend.status().to_string());
  if (backend.ok()) {
    CHECK((*backend)->name().substr(0, 8) == "cuda/sm_");
  } else {
    CHECK(backend.status().code() == StatusCode::kUnavailable);
    CHECK(!backend.status().message().empty());
  }
  // Found without being named: programs of a build tree know where it is.
  CHECK(open_cuda_backend({}).status().code() == backend.status().code());
}

TEST_CASE("a device that does not exist is unavailable") {
  if (!std::filesystem::exists(built_library())) return test::skip("no CUDA library in this build: no nvcc");
  CHECK(open_cuda_backend({.library = built_library(), .device = 4711}).status().code() == StatusCode::kUnavailable);
}

}  // namespace
