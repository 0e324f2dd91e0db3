// Damaged directories: refused with the file named, or recovered to a prefix of what was written.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> files_with(const std::string& directory, const std::string& part) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(directory)) {
    if (file.path().filename().string().find(part) != std::string::npos) files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  return files;
}

void flip_bit(const fs::path& path, std::uintmax_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  REQUIRE(byte != EOF);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x10));
  REQUIRE(file.good());
}

/// A row of 1000 bytes that do not compress.
std::string place_row(int i) {
  std::mt19937 random(static_cast<unsigned>(i));
  std::string row(1000, '\0');
  for (char& byte : row) byte = static_cast<char>(random());
  return row;
}

/// A closed store with the batches 1 to 200 and 200 places, which fill most blocks of its table file.
void make_store(const std::string& path) {
  auto store = open_small(path);
  write_numbered(*store, 1, 200);
  WriteBatch batch;
  for (int i = 0; i < 200; ++i) batch.put(Family::kPlaces, "place " + std::to_string(i), place_row(i));
  must(store->write(batch, Durability::kSynced));
  must(store->close());
}

void check_refused_naming(const std::string& path, const std::string& file) {
  const auto refused = open_rocksdb_store(small_options(path));
  REQUIRE(!refused.ok());
  INFO(refused.status().to_string());
  CHECK(refused.status().code() == StatusCode::kDataLoss);
  CHECK(refused.status().message().find(file) != std::string::npos);
  CHECK(refused.status().message().find(path) != std::string::npos);
  CHECK(refused.status().message().find("restore a checkpoint") != std::string::npos);
}

TEST_CASE("a table file with a damaged end is named when the store is opened") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path table = files_with(dir / "state", ".sst").front();
  flip_bit(table, fs::file_size(table) - 3);
  check_refused_naming(dir / "state", table.filename().string());
}

TEST_CASE("a damaged block with the format version is damage of its file, not another program's database") {
  TempDir dir;
  must(open_small(dir / "state")->close());  // its only row
  const fs::path table = files_with(dir / "state", ".sst").front();
  flip_bit(table, 5);  // the first block stands at the beginning
  check_refused_naming(dir / "state", table.filename().string());
}

TEST_CASE("a table file that was cut short is named") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path table = files_with(dir / "state", ".sst").front();
  fs::resize_file(table, fs::file_size(table) / 2);
  check_refused_naming(dir / "state", table.filename().string());
}

TEST_CASE("a table file that is missing is named") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path table = files_with(dir / "state", ".sst").front();
  fs::remove(table);
  check_refused_naming(dir / "state", table.filename().string());
}

TEST_CASE("a damaged MANIFEST is named") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path manifest = files_with(dir / "state", "MANIFEST-").back();
  flip_bit(manifest, 20);
  check_refused_naming(dir / "state", "MANIFEST");
}

TEST_CASE("a MANIFEST with any damaged byte but at its end is named, and no file is deleted") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path manifest = files_with(dir / "state", "MANIFEST-").back();
  const std::size_t tables = files_with(dir / "state", ".sst").size();
  for (std::uintmax_t at = 0; at < fs::file_size(manifest) / 2; ++at) {
    INFO("byte ", at);
    flip_bit(manifest, at);
    check_refused_naming(dir / "state", "MANIFEST");
    REQUIRE(files_with(dir / "state", ".sst").size() == tables);
    flip_bit(manifest, at);
  }
  CHECK(check_numbered(*open_small(dir / "state")) == 200);
}

TEST_CASE("a missing MANIFEST is named") {
  TempDir dir;
  make_store(dir / "state");
  const fs::path manifest = files_with(dir / "state", "MANIFEST-").back();
  fs::remove(manifest);
  check_refused_naming(dir / "state", manifest.filename().string());
}

TEST_CASE("a damaged CURRENT is named") {
  TempDir dir;
  make_store(dir / "state");
  std::ofstream(dir / "state/CURRENT", std::ios::trunc) << "MANIFEST-0000";
  check_refused_naming(dir / "state", "CURRENT");
}

TEST_CASE("a missing CURRENT is named and nothing is deleted or made anew") {
  TempDir dir;
  make_store(dir / "state");
  fs::rename(dir / "state/CURRENT", dir / "CURRENT");
  check_refused_naming(dir / "state", "CURRENT");
  fs::rename(dir / "CURRENT", dir / "state/CURRENT");
  CHECK(check_numbered(*open_small(dir / "state")) == 200);
}

TEST_CASE("a damaged block is DATA_LOSS for the rows in it, by get, multi_get and scan, and names the file") {
  TempDir dir;
  make_store(dir / "state");
  const auto tables = files_with(dir / "state", ".sst");
  REQUIRE(tables.size() == 1);
  flip_bit(tables[0], fs::file_size(tables[0]) / 2);  // among the places
  auto store = open_small(dir / "state");
  int damaged = 0;
  for (int i = 0; i < 200; ++i) {
    const std::vector<std::string> keys = {"place " + std::to_string(i)};
    std::vector<std::optional<std::string>> values;
    const auto row = store->get(Family::kPlaces, keys[0]);
    const Status many = store->multi_get(Family::kPlaces, keys, &values);
    CHECK(many.code() == row.status().code());
    if (row.ok()) {
      CHECK(*row == place_row(i));
      continue;
    }
    ++damaged;
    CHECK(many.code() == StatusCode::kDataLoss);
    CHECK(row.status().message().find(tables[0].filename().string()) != std::string::npos);
    CHECK(many.message().find(tables[0].filename().string()) != std::string::npos);
  }
  CHECK(damaged >= 1);
  CHECK(damaged <= 20);  // a block has 8 KiB, or a little more
  const Status scanned = store->scan(Family::kPlaces, "", [](auto, auto) { return true; });
  CHECK(scanned.code() == StatusCode::kDataLoss);
  CHECK(scanned.message().find(tables[0].filename().string()) != std::string::npos);
  CHECK(check_numbered(*store) == 200);
}

TEST_CASE("after a bit flip in the log the store holds a prefix of the batches, each whole") {
  TempDir dir;
  constexpr int kBatches = 3'000;
  StateStoreOptions options = small_options(dir / "state");
  options.memtable_bytes = 64u << 20;  // all in one log
  auto store = *open_rocksdb_store(options);
  constexpr int kInFiles = 50;  // and so a log that begins behind them
  write_numbered(*store, 1, kInFiles, Durability::kBuffered);
  must(store->flush());
  write_numbered(*store, kInFiles + 1, kBatches, Durability::kBuffered);
  // What a machine that died now would leave.
  fs::copy(dir / "state", dir / "image");
  must(store->close());
  const fs::path log = files_with(dir / "image", ".log").back();
  const std::uintmax_t size = fs::file_size(log);
  REQUIRE(size > 4 * 32'768);  // several blocks: a reader of the log may begin anew at the next one
  int previous = -1;
  // The first record too, before which nothing tells which one is to follow.
  for (const std::uintmax_t percent : {0u, 2u, 20u, 50u, 80u}) {
    const std::string damaged = dir / ("damaged at " + std::to_string(percent));
    fs::copy(dir / "image", damaged);
    flip_bit(fs::path(damaged) / log.filename(), std::max<std::uintmax_t>(20, size * percent / 100));
    auto recovered = open_small(damaged);
    const int held = check_numbered(*recovered);
    CHECK(held < kBatches);
    CHECK(held > previous);
    CHECK((percent > 0 || held == kInFiles));
    previous = held;
    // The consumer reads on from the position in the store and ends where it would have ended.
    write_numbered(*recovered, held + 1, kBatches);
    CHECK(check_numbered(*recovered) == kBatches);
  }
  CHECK(previous > 0);
}

}  // namespace
}  // namespace cairn::storage
