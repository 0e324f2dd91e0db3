// An examination reads every byte that matters: whichever is flipped, its file is named.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage/faulty_disk.h"
#include "tests/storage/numbered_check.h"
#include "tests/support/copy_at_rest.h"
#include "tests/support/environment_number.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

Status every_row_is_fine(std::string_view, std::string_view) { return ok_status(); }

std::vector<std::string> damage_in(const std::string& path) {
  std::vector<std::string> found;
  for (const Damage& damage : examine_rocksdb_store(path, add_counters, every_row_is_fine).damaged) {
    CHECK_FALSE(damage.remedy.empty());
    found.push_back(damage.what + "; " + damage.remedy);
  }
  return found;
}

/// What a machine that dies leaves: two table files, and a log with writes in it.
void make_image(const TempDir& dir) {
  auto store = open_small(dir / "state");
  for (int part = 0; part < 3; ++part) {
    write_numbered(*store, part * 100 + 1, part * 100 + 100, Durability::kSynced);
    if (part < 2) must(store->flush());
  }
  fs::copy(dir / "state", dir / "image");
}

std::vector<fs::path> files_like(const std::string& directory, const std::string& part) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(directory)) {
    if (file.path().filename().string().find(part) != std::string::npos && file.file_size() > 0) {
      files.push_back(file.path());
    }
  }
  std::sort(files.begin(), files.end());
  REQUIRE_FALSE(files.empty());
  return files;
}

void flip(const fs::path& path, std::uintmax_t at, int bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ (1 << bit)));
  REQUIRE(file.good());
}

TEST_CASE("every flipped byte of a table file, the MANIFEST and the log is found, and its file is named") {
  const std::uint32_t seed = test::environment_number("CAIRN_TEST_SEED", 20272);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED)");
  std::mt19937 random(seed);
  TempDir dir;
  make_image(dir);
  REQUIRE(damage_in(dir / "image").empty());
  for (const char* kind : {".sst", "MANIFEST-", ".log"}) {
    for (int round = 0; round < 100; ++round) {
      const auto files = files_like(dir / "image", kind);
      const fs::path file = files[random() % files.size()];
      // The end of a log, or of a MANIFEST, may be one that was cut off by the crash: it is none of damage's business.
      const std::uintmax_t size = fs::file_size(file);
      // Nor is the padding at the end of a table file, which means nothing.
      constexpr std::uintmax_t kFooterBytes = 53;
      const std::uintmax_t at = random() % (std::string(kind) == ".sst" ? size - kFooterBytes : size / 2);
      const int bit = static_cast<int>(random() % 8);
      INFO("round ", round, ": bit ", bit, " of byte ", at, " of ", file.string());
      flip(file, at, bit);
      const auto found = damage_in(dir / "image");
      const bool named = std::any_of(found.begin(), found.end(), [&](const std::string& damage) {
        return damage.find(std::string(kind) == "MANIFEST-" ? "MANIFEST" : file.filename().string()) !=
               std::string::npos;
      });
      CHECK(named);
      flip(file, at, bit);
    }
  }
  CHECK(damage_in(dir / "image").empty());
}

TEST_CASE("a file that is missing is named, and a store that is open is examined as well") {
  TempDir dir;
  make_image(dir);
  const fs::path table = files_like(dir / "image", ".sst").front();
  fs::rename(table, dir / "away");
  auto found = damage_in(dir / "image");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find(table.filename().string()) != std::string::npos);
  fs::rename(dir / "away", table);
  fs::rename(dir / "image/CURRENT", dir / "away");
  found = damage_in(dir / "image");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("CURRENT") != std::string::npos);
  CHECK(damage_in(dir / "nothing").empty());

  auto store = open_small(dir / "state");
  write_numbered(*store, 301, 400);
  CHECK(damage_in(dir / "state").empty());
}

TEST_CASE("a log that was cut is damage where it was known to go on, and else the end that a crash leaves") {
  TempDir dir;
  {
    const auto store = open_small(dir / "state");
    write_numbered(*store, 1, 100, Durability::kSynced);
    must(store->flush());
    write_numbered(*store, 101, 110, Durability::kOnlyHere);
    write_numbered(*store, 111, 200, Durability::kBuffered);
    test::copy_at_rest(dir / "state", dir / "image");
  }
  REQUIRE(damage_in(dir / "image").empty());
  const fs::path log = files_like(dir / "image", ".log").back();
  const std::uintmax_t size = fs::file_size(log);
  bool named = false;
  for (std::uintmax_t end = size - 1;; end = end > 200 ? end - 200 : 0) {
    INFO("cut at ", end, " of ", size);
    fs::resize_file(log, end);
    const auto found = damage_in(dir / "image");
    // What an opening says is the judge; it changes nothing where it refuses.
    fs::remove_all(dir / "copy");
    fs::copy(dir / "image", dir / "copy");
    REQUIRE(found.empty() == open_rocksdb_store(small_options(dir / "copy")).ok());
    if (!found.empty()) {
      named = true;
      CHECK(found.size() == 1);
      CHECK(found[0].find(log.string()) != std::string::npos);
      CHECK(found[0].find("at byte ") != std::string::npos);
      CHECK(found[0].find("--accept-log-loss") != std::string::npos);
    }
    if (end == 0) break;
  }
  CHECK(named);
  fs::remove(log);
  const auto found = damage_in(dir / "image");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("*.log file, is missing") != std::string::npos);
}

TEST_CASE("a log that lacks its end before another log is named, and that the sources bring it again") {
  TempDir dir;
  Faults disk;
  const auto env = rocksdb::NewCompositeEnv(std::make_shared<FaultyDisk>(&disk));
  StateStoreOptions options = small_options(dir / "state");
  options.memtable_bytes = 128u << 10;
  {
    auto store = open_rocksdb_store(std::move(options), {.env = env.get()});
    REQUIRE(store.ok());
    disk.hold_table = true;  // a table that is not finished keeps every log behind it
    for (int n = 1; files_like(dir / "state", ".log").size() < 2; ++n) {
      WriteBatch batch = numbered_batch(n);
      batch.put(Family::kPlaces, "place " + std::to_string(n), std::string(10'000, 'x'));
      must((*store)->write(batch, Durability::kSynced));
    }
    write_numbered(**store, 1'000, 1'000, Durability::kSynced);
    test::copy_at_rest(dir / "state", dir / "image");
    disk.hold_table = false;
    disk.hold_table.notify_all();
  }
  for (const std::string& found : damage_in(dir / "image")) FAIL_CHECK(found);
  const auto logs = files_like(dir / "image", ".log");
  REQUIRE(logs.size() >= 2);
  fs::resize_file(logs[0], fs::file_size(logs[0]) - 9);
  const auto found = damage_in(dir / "image");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find(logs[0].filename().string() + " at byte ") != std::string::npos);
  CHECK(found[0].find(logs[1].filename().string()) != std::string::npos);
  CHECK(found[0].find("the sources bring the rest again") != std::string::npos);
  CHECK(open_rocksdb_store(small_options(dir / "image")).ok());
}

TEST_CASE("rows that make no sense are named by their keys, and operands kept aside are counted") {
  TempDir dir;
  {
    auto store = open_small(dir / "state");
    WriteBatch batch;
    batch.put(Family::kState, "bad", "no counter");
    batch.put(Family::kState, "good", counter(1));
    batch.merge(Family::kState, "good", "no counter either");
    must(store->write(batch, Durability::kSynced));
    CHECK(store->get(Family::kState, "good").ok());
    must(store->close());
  }
  const auto check = [](std::string_view, std::string_view value) {
    return read_counter(value) ? ok_status() : data_loss("no counter");
  };
  const auto found = examine_rocksdb_store(dir / "state", add_counters, check);
  REQUIRE(found.damaged.size() == 1);
  CHECK(found.damaged[0].what.find("626164") != std::string::npos);  // "bad"
  CHECK(found.rows == 2);
  CHECK(found.quarantined == 1);
}

}  // namespace
}  // namespace cairn::storage
