#include "storage/rocksdb/log_records.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace {

TEST_CASE("a log that is not there, or is a directory, has no extent, and an empty one is whole") {
  const TempDir dir;
  CHECK_FALSE(read_log_extent(dir / "missing"));
  CHECK_FALSE(read_log_extent(dir.path()));
  std::ofstream(dir / "empty");
  const auto empty = read_log_extent(dir / "empty");
  REQUIRE(empty);
  CHECK(empty->file_bytes == 0);
  CHECK(empty->whole_bytes == 0);
  CHECK_FALSE(empty->damaged);
}

}  // namespace
}  // namespace cairn::storage
