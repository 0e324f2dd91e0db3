// An examination reads every byte that matters: whichever is flipped, its file is named.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/storage/numbered_check.h"
#include "tests/support/environment_number.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

Status every_row_is_fine(std::string_view, std::string_view) { return ok_status(); }

std::vector<std::string> damage_in(const std::string& path) {
  return examine_rocksdb_store(path, add_counters, every_row_is_fine).damaged;
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
  CHECK(found.damaged[0].find("626164") != std::string::npos);  // "bad"
  CHECK(found.rows == 2);
  CHECK(found.quarantined == 1);
}

}  // namespace
}  // namespace cairn::storage
