#include "storage/rocksdb/tuning.h"

#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>

#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace {

TEST_CASE("index and filters count against the block cache: beside it tables keep next to nothing in memory") {
  const TempDir dir;
  constexpr std::uint64_t kRows = 50'000;
  rocksdb::Options options(database_options({}, nullptr),
                           family_options(small_options(dir / "settings"), nullptr, nullptr));
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  REQUIRE(rocksdb::DB::Open(options, dir / "db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (std::uint64_t i = 0; i < kRows; ++i) {
    REQUIRE(db->Put({}, "row " + std::to_string(i), "x").ok());
  }
  REQUIRE(db->Flush({}).ok());
  std::string value;
  REQUIRE(db->Get({}, "row 7", &value).ok());
  std::uint64_t beside = 0;
  REQUIRE(db->GetIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &beside));
  CHECK(beside < kRows / 8);  // the filters alone take ten bits a row
}

}  // namespace
}  // namespace cairn::storage
