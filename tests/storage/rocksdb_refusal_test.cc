// A store that is refused because something was lost is left as it was: when the lost piece is put back, all is there.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/storage/numbered_check.h"
#include "tests/support/copy_at_rest.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

fs::path manifest_of(const std::string& directory) {
  std::string name;
  std::getline(std::ifstream(directory + "/CURRENT"), name);
  return fs::path(directory) / name;
}

std::vector<fs::path> logs_of(const std::string& directory) {
  std::vector<fs::path> logs;
  for (const auto& file : fs::directory_iterator(directory)) {
    if (file.path().extension() == ".log" && file.file_size() > 0) logs.push_back(file.path());
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

/// Where the records of a file in RocksDB's log format end, which are shorter than a block here: each begins with a
/// checksum of four bytes, its length in two, and its type.
std::vector<std::size_t> record_ends(const std::string& bytes) {
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at + 7 <= bytes.size();) {
    at += 7 + static_cast<unsigned char>(bytes[at + 4]) + 256u * static_cast<unsigned char>(bytes[at + 5]);
    if (at <= bytes.size()) ends.push_back(at);
  }
  REQUIRE(ends.back() == bytes.size());
  REQUIRE(bytes.size() < 32768);
  return ends;
}

bool is_data(const std::string& name) {
  return name.ends_with(".sst") || name.ends_with(".log") || name.starts_with("MANIFEST-") || name == "CURRENT";
}

/// The files that a loss would show in, with their sizes.
test::Listing data_files(const std::string& directory) {
  test::Listing files = test::list_files(directory);
  std::erase_if(files, [](const auto& file) { return !is_data(file.first); });
  return files;
}

void check_refused(const std::string& path, const std::vector<std::string>& told) {
  const auto refused = open_rocksdb_store(small_options(path));
  REQUIRE_FALSE(refused.ok());
  INFO(refused.status().to_string());
  CHECK(refused.status().code() == StatusCode::kDataLoss);
  for (const std::string& part : told) {
    INFO("expected: ", part);
    CHECK(refused.status().message().find(part) != std::string::npos);
  }
}

/// Batches 1 to 400 in four table files, and 100 more in the log; as a machine that dies leaves it.
void make_image(const std::string& state, const std::string& image) {
  const auto store = open_small(state);
  for (int part = 0; part < 4; ++part) {
    write_numbered(*store, part * 100 + 1, part * 100 + 100, Durability::kSynced);
    must(store->flush());
  }
  write_numbered(*store, 401, 500, Durability::kSynced);
  test::copy_at_rest(state, image);
}

TEST_CASE("a MANIFEST that was cut between two records is refused before anything is removed") {
  TempDir dir;
  make_image(dir / "state", dir / "image");
  const std::string whole = read_file(manifest_of(dir / "image"));
  for (const std::size_t end : record_ends(whole)) {
    if (end == whole.size()) break;
    INFO("cut at ", end, " of ", whole.size());
    const std::string round = dir / ("cut at " + std::to_string(end));
    fs::copy(dir / "image", round);
    const fs::path manifest = manifest_of(round);
    fs::resize_file(manifest, end);
    const test::Listing before = data_files(round);
    check_refused(round, {manifest.string(), "byte " + std::to_string(end), "restore"});
    CHECK(data_files(round) == before);
    std::ofstream(manifest, std::ios::binary) << whole;
    CHECK(check_numbered(*open_small(round)) == 500);
  }
}

TEST_CASE("a MANIFEST that was cut within its last record is refused before anything is removed") {
  TempDir dir;
  make_image(dir / "state", dir / "image");
  const fs::path manifest = manifest_of(dir / "image");
  const std::string whole = read_file(manifest);
  fs::resize_file(manifest, whole.size() - 3);
  const test::Listing before = data_files(dir / "image");
  check_refused(dir / "image", {manifest.string(), "restore"});
  CHECK(data_files(dir / "image") == before);
  std::ofstream(manifest, std::ios::binary) << whole;
  CHECK(check_numbered(*open_small(dir / "image")) == 500);
}

TEST_CASE("a MANIFEST of an earlier opening is refused, and the store goes on with it only when told to") {
  TempDir dir;
  make_image(dir / "state", dir / "image");
  fs::copy(dir / "image", dir / "earlier");
  must(open_small(dir / "image")->close());
  const fs::path newer = manifest_of(dir / "image");
  const fs::path older = manifest_of(dir / "earlier");
  REQUIRE(newer.filename() != older.filename());
  fs::copy(older, dir / "image");
  fs::copy_file(dir / "earlier/CURRENT", dir / "image/CURRENT", fs::copy_options::overwrite_existing);
  const test::Listing before = data_files(dir / "image");
  check_refused(dir / "image", {older.filename().string(), newer.filename().string(), "restore", "--accept-log-loss"});
  CHECK(data_files(dir / "image") == before);

  StateStoreOptions told = small_options(dir / "image");
  told.accept_loss = true;
  const auto accepted = open_rocksdb_store(std::move(told));
  REQUIRE_MESSAGE(accepted.ok(), accepted.status().to_string());
  CHECK(check_numbered(**accepted) <= 500);
  must((*accepted)->close());
  CHECK(check_numbered(*open_small(dir / "image")) <= 500);  // and is not refused again
}

TEST_CASE("a log that was cut before a write that is only here is refused before it is given up") {
  TempDir dir;
  {
    const auto store = open_small(dir / "state");
    write_numbered(*store, 1, 100, Durability::kSynced);
    must(store->flush());
    write_numbered(*store, 101, 150, Durability::kSynced);
    write_numbered(*store, 151, 151, Durability::kOnlyHere);
    write_numbered(*store, 152, 160, Durability::kBuffered);
    test::copy_at_rest(dir / "state", dir / "image");
  }
  const std::vector<fs::path> logs = logs_of(dir / "image");
  REQUIRE(logs.size() == 1);
  const std::string whole = read_file(logs[0]);
  const std::vector<std::size_t> ends = record_ends(whole);
  REQUIRE(ends.size() >= 60);
  const std::size_t last_needed = ends[ends.size() - 10];  // the end of batch 151
  for (const std::size_t cut :
       {std::size_t{0}, ends[0], ends[20] + 3, last_needed - 1, last_needed, whole.size() - 1}) {
    INFO("cut at ", cut, " of ", whole.size());
    const std::string round = dir / ("cut at " + std::to_string(cut));
    fs::copy(dir / "image", round);
    const fs::path log = fs::path(round) / logs[0].filename();
    fs::resize_file(log, cut);
    const test::Listing before = data_files(round);
    if (cut < last_needed) {
      check_refused(round, {log.string(), "--accept-log-loss"});
      CHECK(data_files(round) == before);
      std::ofstream(log, std::ios::binary) << whole;
      CHECK(check_numbered(*open_small(round)) == 160);
    } else {
      // What was not synced may be gone after a power failure.
      CHECK(check_numbered(*open_small(round)) >= 151);
    }
  }
}

}  // namespace
}  // namespace cairn::storage
