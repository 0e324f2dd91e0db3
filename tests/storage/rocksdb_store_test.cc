// What only the store on disk can be asked: reopening, its directory, its format, checkpoints that open.

#include <doctest/doctest.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/debug.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "tests/storage/numbered_check.h"
#include "tests/support/disk_syncs.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

std::size_t table_files(const std::string& path) {
  return static_cast<std::size_t>(std::count_if(fs::directory_iterator(path), fs::directory_iterator(),
                                                [](const auto& file) { return file.path().extension() == ".sst"; }));
}

/// A RocksDB with the given column families, made in this order.
void make_families(const std::string& path, const std::vector<std::string>& names) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  REQUIRE(rocksdb::DB::Open(options, path, &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  for (const std::string& name : names) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    REQUIRE(db->CreateColumnFamily({}, name, &handle).ok());
    REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
  }
}

TEST_CASE("a store that was closed is found again as it was") {
  TempDir dir;
  std::vector<Pairs> before;
  {
    auto store = open_small(dir / "state");
    write_numbered(*store, 1, 40);
    WriteBatch batch;
    batch.remove_prefix(Family::kIds, "id 2");
    batch.put(Family::kPlaces, std::string("\0\xff", 2), "bytes");
    batch.merge(Family::kState, "total", "poison");
    must(store->write(batch, Durability::kBuffered));
    CHECK(must_count(*store, "total") == 40);
    CHECK(store->stats().quarantined_operands == 1);
    before = must_dump(*store);
    must(store->close());
  }
  const auto again = open_small(dir / "state");
  CHECK(must_dump(*again) == before);
}

TEST_CASE("the names of a new store, of its new parents and of a checkpoint are on the disk") {
  const TempDir dir;
  const cairn::test::DiskSyncs syncs;
  const auto synced = [&](const std::string& path) {
    const auto all = syncs.synced();
    return std::count(all.begin(), all.end(), path);
  };
  const auto store = open_small(dir / "a/state");
  CHECK(synced(dir.path()) == 1);
  CHECK(synced(dir / "a") == 1);
  must(store->checkpoint(dir / "b/copy"));
  CHECK(synced(dir.path()) == 2);
  CHECK(synced(dir / "b") >= 1);
}

TEST_CASE("what is to be durable is synced in the log before its write is told of, what is buffered is not") {
  const TempDir dir;
  const auto store = open_small(dir / "state");
  const cairn::test::DiskSyncs syncs;
  int expected = 0;
  for (const Durability durability : {Durability::kSynced, Durability::kBuffered, Durability::kOnlyHere}) {
    must(store->write(numbered_batch(1), durability));
    expected += durability == Durability::kBuffered ? 0 : 1;
    CHECK(syncs.count(".log") == expected);
  }
}

TEST_CASE("a store that is destroyed without close keeps everything") {
  TempDir dir;
  { write_numbered(*open_small(dir / "state"), 1, 10); }
  CHECK(check_numbered(*open_small(dir / "state")) == 10);
}

TEST_CASE("an operand that makes no sense stops neither flush, nor opening, nor compaction") {
  TempDir dir;
  // Each close flushes a table file; the fourth in level 0 starts a compaction, which merges with the poison in it.
  constexpr int kRounds = 7;
  for (int round = 1; round <= kRounds; ++round) {
    auto store = open_small(dir / "state");
    WriteBatch batch;
    batch.merge(Family::kState, "user", counter(1));
    batch.merge(Family::kState, "user", "poison of round " + std::to_string(round));
    batch.merge(Family::kState, "lonely", "poison");
    must(store->write(batch, Durability::kSynced));
    must(store->close());
  }
  auto store = open_small(dir / "state");
  while (table_files(dir / "state") >= kRounds) std::this_thread::yield();
  CHECK(must_count(*store, "user") == kRounds);
  CHECK(must_get(*store, Family::kState, "lonely") == "");
  CHECK(store->stats().accepting_writes);
  const Pairs parked = must_scan(*store, Family::kQuarantine, "user");
  REQUIRE(parked.size() == kRounds);
  for (int round = 1; round <= kRounds; ++round) {
    const std::string operand = "poison of round " + std::to_string(round);
    CHECK(std::any_of(parked.begin(), parked.end(), [&](const auto& row) { return row.second == operand; }));
  }
}

TEST_CASE("the directory is held against a second store of the same process") {
  TempDir dir;
  auto first = open_small(dir / "state");
  const auto second = open_rocksdb_store(small_options(dir / "state"));
  REQUIRE(second.status().code() == StatusCode::kFailedPrecondition);
  CHECK(second.status().message().find("held by process " + std::to_string(::getpid())) != std::string::npos);
  must(first->close());
  CHECK(open_rocksdb_store(small_options(dir / "state")).ok());
}

TEST_CASE("a store of a newer format is refused with both versions, and nothing in it is lost") {
  TempDir dir;
  {
    auto store = open_small(dir / "state");
    CHECK(must_get(*store, Family::kMeta, "storage.format_version") == "2");
    WriteBatch batch;
    batch.put(Family::kMeta, "storage.format_version", "3");
    must(store->write(batch, Durability::kSynced));
    fs::copy(dir / "state", dir / "image");  // with the rows in its log only
  }
  for (const char* name : {"state", "image"}) {
    const auto refused = open_rocksdb_store(small_options(dir / name));
    REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
    CHECK(refused.status().message().find("format version 3") != std::string::npos);
    CHECK(refused.status().message().find("reads 2") != std::string::npos);
  }
}

TEST_CASE("a store of format version 1, which had column families, is refused as such with a remedy") {
  TempDir dir;
  // All of them, and what a crash while it was made left.
  const std::vector<std::string> all = {"state", "meta", "ids", "places", "dedup", "quarantine"};
  for (std::size_t made = 1; made <= all.size(); ++made) {
    const std::string path = dir / ("state " + std::to_string(made));
    make_families(path, {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(made)});
    const auto refused = open_rocksdb_store(small_options(path));
    REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
    INFO(refused.status().message());
    CHECK(refused.status().message().find(path) != std::string::npos);
    CHECK(refused.status().message().find("format version 1") != std::string::npos);
    CHECK(refused.status().message().find("let the events be read again into another state.dir") != std::string::npos);
  }
}

TEST_CASE("a format version that is no number is damage") {
  TempDir dir;
  {
    auto store = open_small(dir / "state");
    WriteBatch batch;
    batch.put(Family::kMeta, "storage.format_version", "1x");
    must(store->write(batch, Durability::kSynced));
  }
  CHECK(open_rocksdb_store(small_options(dir / "state")).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("another program's database and a family of the future are refused and left alone") {
  TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  // Opened twice, so that its rows are in a log behind which there were others.
  for (int times = 0; times < 2; ++times) {
    REQUIRE(rocksdb::DB::Open(options, dir / "state", &raw).ok());
    REQUIRE(raw->Put({}, "theirs " + std::to_string(times), "value").ok());
    if (times == 0) delete std::exchange(raw, nullptr);
  }
  std::unique_ptr<rocksdb::DB> db(raw);
  SUBCASE("rows without a format version") {
    db.reset();
    const auto refused = open_rocksdb_store(small_options(dir / "state"));
    REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
    CHECK(refused.status().message().find("not Cairn's") != std::string::npos);
    REQUIRE(rocksdb::DB::Open(options, dir / "state", &raw).ok());
    db.reset(raw);
    std::string value;
    CHECK(db->Get({}, "theirs 0", &value).ok());
    CHECK(db->Get({}, "theirs 1", &value).ok());
  }
  SUBCASE("an unknown family") {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    REQUIRE(db->CreateColumnFamily({}, "hologram", &handle).ok());
    REQUIRE(db->DestroyColumnFamilyHandle(handle).ok());
    db.reset();
    const auto refused = open_rocksdb_store(small_options(dir / "state"));
    REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
    CHECK(refused.status().message().find("hologram") != std::string::npos);
  }
}

TEST_CASE("a crash while the store was being made does not keep it from being made") {
  TempDir dir;
  fs::create_directories(dir / "state");
  std::ofstream(dir / "state/MANIFEST-000001") << "cut short";
  auto store = open_small(dir / "state");
  write_numbered(*store, 1, 3);
  CHECK(check_numbered(*store) == 3);
}

TEST_CASE("a store whose database is gone is not made anew when a write was only here") {
  const TempDir dir;
  {
    auto store = open_small(dir / "state");
    must(store->write(numbered_batch(1), Durability::kOnlyHere));
    must(store->close());
  }
  for (const auto& file : std::vector<fs::directory_entry>(fs::directory_iterator(dir / "state"), {})) {
    if (file.path().filename() != "LASTWRITE") fs::remove_all(file.path());
  }
  CHECK(open_rocksdb_store(small_options(dir / "state")).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("a path that cannot be a directory is refused by name") {
  TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto refused = open_rocksdb_store(small_options(dir / "file/state"));
  REQUIRE(refused.status().code() == StatusCode::kFailedPrecondition);
  CHECK(refused.status().message().find(dir / "file/state") != std::string::npos);
}

TEST_CASE("a checkpoint opens as a store and equals the state at its time") {
  TempDir dir;
  auto store = open_small(dir / "state");
  write_numbered(*store, 1, 50);
  WriteBatch batch;
  batch.merge(Family::kState, "total", "poison");
  batch.remove_prefix(Family::kIds, "id 3");
  must(store->write(batch, Durability::kBuffered));
  CHECK(must_count(*store, "total") == 50);  // the read finds the poison; the checkpoint must hold it already
  must(store->checkpoint(dir / "copy"));
  const auto then = must_dump(*store);
  CHECK(then[static_cast<std::size_t>(Family::kQuarantine)].size() == 1);
  write_numbered(*store, 51, 80);

  auto copy = open_small(dir / "copy");
  CHECK(must_dump(*copy) == then);
  must(store->close());
  fs::remove_all(dir / "state");
  CHECK(must_dump(*copy) == then);
}

TEST_CASE("a relative path and missing parents are fine for a checkpoint") {
  TempDir dir;
  const fs::path before = fs::current_path();
  auto store = open_small(dir / "state");
  write_numbered(*store, 1, 5);
  fs::current_path(dir.path());
  const Status made = store->checkpoint("backups/monday");
  fs::current_path(before);
  must(made);
  CHECK(check_numbered(*open_small(dir / "backups/monday")) == 5);
}

TEST_CASE("a checkpoint under writes holds whole batches, all that were written before it and none by half") {
  TempDir dir;
  auto store = open_small(dir / "state");
  std::atomic<int> written = 0;
  std::atomic<int> allowed = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int n = 1; !stop; ++n) {
      while (n > allowed && !stop) std::this_thread::yield();
      must(store->write(numbered_batch(n), Durability::kBuffered));
      written = n;
    }
  });
  for (int round = 0; round < 4; ++round) {
    allowed = written + 2000;
    while (written < allowed - 1900) std::this_thread::yield();
    const int before = written;
    const std::string path = dir / ("copy " + std::to_string(round));
    must(store->checkpoint(path));
    const int after = written + 1;
    const int held = check_numbered(*open_small(path));
    CHECK(held >= before);
    CHECK(held <= after);
  }
  stop = true;
  writer.join();
}

TEST_CASE("stats tell the bytes on disk and of the disk") {
  TempDir dir;
  auto store = open_small(dir / "state");
  WriteBatch batch;
  batch.put(Family::kPlaces, "place", std::string(100'000, 'p'));
  must(store->write(batch, Durability::kSynced));
  const StateStoreStats stats = store->stats();
  CHECK(stats.disk_bytes >= 100'000);
  CHECK(stats.disk_bytes < 100'000'000);
  CHECK(stats.free_bytes > 0);
  CHECK(stats.accepting_writes);
}

/// How many versions the database has of a key, those that nobody can read any more included.
std::size_t versions_of(const std::string& path, const std::string& stored) {
  rocksdb::Options options;
  rocksdb::DB* raw = nullptr;
  REQUIRE(rocksdb::DB::OpenForReadOnly(options, path, &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::vector<rocksdb::KeyVersion> versions;
  REQUIRE(rocksdb::GetAllKeyVersions(db.get(), stored, stored, 100, &versions).ok());
  return versions.size();
}

/// The files of a folder that hold these bytes.
std::vector<std::string> files_with(const std::string& path, const std::string& bytes) {
  std::vector<std::string> found;
  for (const auto& file : fs::recursive_directory_iterator(path)) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (all.find(bytes) != std::string::npos) found.push_back(file.path().filename().string());
  }
  return found;
}

TEST_CASE("a purged key is in no file of the store, nor is a mark that it was removed") {
  // Alone it names the ends of table files, among others it lies inside of them.
  for (const int others : {0, 2'000}) {
    INFO("others=", others);
    TempDir dir;
    const std::string key = "Somebody-who-leaves-4711";
    auto store = open_small(dir / "state");
    for (int round = 0; round < 3; ++round) {
      WriteBatch batch;
      for (int i = 0; i < others; ++i) batch.merge(Family::kState, "Z" + std::to_string(i), counter(1));
      batch.merge(Family::kState, key, counter(1));
      must(store->write(batch, Durability::kSynced));
      must(store->flush());
    }
    CHECK_FALSE(files_with(dir / "state", key).empty());
    WriteBatch batch;
    batch.remove(Family::kState, key);
    must(store->write(batch, Durability::kSynced));
    // A reader of before keeps the old value alive; when he has gone it is a matter of another try.
    auto reader = store->snapshot();
    reader.reset();
    must(store->purge(Family::kState, std::vector{key}));
    if (others > 0) CHECK(must_count(*store, "Z7") == 3);
    must(store->close());
    CHECK(files_with(dir / "state", key).empty());
    CHECK(versions_of(dir / "state", std::string(1, '\0') + key) == 0);
    store.reset();
    const auto again = open_small(dir / "state");
    CHECK(must_count(*again, key) == std::nullopt);
    if (others > 0) CHECK(must_count(*again, "Z7") == 3);
  }
}

TEST_CASE("what a snapshot of before the removal holds cannot be purged, and the store says so") {
  TempDir dir;
  auto store = open_small(dir / "state");
  WriteBatch batch;
  batch.put(Family::kState, "k", counter(1));
  must(store->write(batch, Durability::kBuffered));
  auto reader = store->snapshot();
  batch.clear();
  batch.remove(Family::kState, "k");
  must(store->write(batch, Durability::kBuffered));
  CHECK(store->purge(Family::kState, std::vector<std::string>{"k"}).code() == StatusCode::kUnavailable);
  CHECK(store->get_at(*reader, Family::kState, "k")->has_value());
  reader.reset();
  must(store->purge(Family::kState, std::vector<std::string>{"k"}));
}

}  // namespace
}  // namespace cairn::storage
