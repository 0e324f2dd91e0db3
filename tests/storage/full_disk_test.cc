// The disk gate in the store: with a disk that the test plays, and with one that is really full.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <limits>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage/numbered_check.h"
#include "tests/support/skip.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

struct PlayedDisk {
  TempDir dir;
  std::atomic<std::uint64_t> free = 1000u << 20;

  Result<std::unique_ptr<StateStore>> open(std::uint64_t least) {
    StateStoreOptions options = small_options(dir / "state");
    options.free_bytes_min = least;
    return open_rocksdb_store(
        std::move(options), {.free_space = [this](const std::string&) -> Result<std::uint64_t> { return free.load(); },
                             .probe_interval = std::chrono::milliseconds(0)});
  }
};

TEST_CASE("a nearly full disk refuses the write, writes nothing, and takes it when space has come back") {
  PlayedDisk disk;
  auto opened = disk.open(800u << 20);
  REQUIRE(opened.ok());
  StateStore& store = **opened;
  write_numbered(store, 1, 5);

  disk.free = 700u << 20;
  const Status refused = store.write(numbered_batch(6), Durability::kSynced);
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  CHECK(refused.message().find(disk.dir / "state") != std::string::npos);
  CHECK(refused.message().find("700.0 MiB free") != std::string::npos);
  CHECK(check_numbered(store) == 5);
  const StateStoreStats stats = store.stats();
  CHECK(!stats.accepting_writes);
  CHECK(stats.free_bytes == 700u << 20);
  CHECK(stats.detail == refused.message());

  disk.free = 850u << 20;  // above the limit, not yet an eighth above
  CHECK(!store.write(numbered_batch(6), Durability::kBuffered).ok());
  disk.free = 901u << 20;
  write_numbered(store, 6, 10);
  CHECK(store.stats().accepting_writes);
  CHECK(check_numbered(store) == 10);
}

TEST_CASE("operands in quarantine wait while the gate is shut") {
  PlayedDisk disk;
  auto opened = disk.open(800u << 20);
  REQUIRE(opened.ok());
  StateStore& store = **opened;
  WriteBatch batch;
  batch.merge(Family::kState, "user", "poison");
  must(store.write(batch, Durability::kBuffered));
  disk.free = 700u << 20;
  CHECK(must_get(store, Family::kState, "user") == "");
  CHECK(store.stats().quarantined_operands == 1);
  CHECK(must_scan(store, Family::kQuarantine).empty());
  disk.free = 1000u << 20;
  CHECK(store.stats().quarantined_operands == 1);
  CHECK(must_scan(store, Family::kQuarantine).size() == 1);
}

TEST_CASE("a store on a nearly full disk closes without loss, opens to be read, and is refused only far below") {
  PlayedDisk disk;
  auto opened = disk.open(800u << 20);
  REQUIRE(opened.ok());
  write_numbered(**opened, 1, 30);
  disk.free = 300u << 20;
  must((*opened)->close());

  auto again = disk.open(800u << 20);
  REQUIRE(again.ok());
  CHECK(check_numbered(**again) == 30);
  CHECK(!(*again)->stats().accepting_writes);
  must((*again)->close());

  disk.free = 199u << 20;
  const auto refused = disk.open(800u << 20);
  CHECK(refused.status().code() == StatusCode::kResourceExhausted);
  CHECK(refused.status().message().find("199.0 MiB free") != std::string::npos);
}

TEST_CASE("a limit that no disk meets refuses opening with the real disk's figures") {
  TempDir dir;
  StateStoreOptions options = small_options(dir / "state");
  options.free_bytes_min = std::numeric_limits<std::uint64_t>::max();
  CHECK(open_rocksdb_store(std::move(options)).status().code() == StatusCode::kResourceExhausted);
}

TEST_CASE("a checkpoint that would eat into the reserve is refused and leaves nothing behind") {
  PlayedDisk disk;
  auto opened = disk.open(800u << 20);
  REQUIRE(opened.ok());
  write_numbered(**opened, 1, 5);
  disk.free = 800u << 20;
  const Status refused = (*opened)->checkpoint(disk.dir / "copy");
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  CHECK(!fs::exists(disk.dir / "copy"));
  disk.free = 900u << 20;
  must((*opened)->checkpoint(disk.dir / "copy"));
}

/// A small file system in memory. `mounted` is false where this process may not mount.
struct SmallDisk {
  TempDir dir;
  bool mounted = ::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=48m") == 0;
  ~SmallDisk() {
    if (mounted) ::umount2(dir.path().c_str(), MNT_DETACH);
  }
};

// Takes all but `leave` bytes of a disk.
void fill_disk(const std::string& path, std::uint64_t leave) {
  const auto free = free_space(fs::path(path).parent_path().string());
  REQUIRE(free.ok());
  REQUIRE(*free > leave);
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(::posix_fallocate(fd, 0, static_cast<off_t>(*free - leave)) == 0);
  ::close(fd);
}

TEST_CASE("writing until a real disk is full stops at the gate, loses nothing and goes on when space is freed") {
  SmallDisk disk;
  if (!disk.mounted) return test::skip("this process may not mount a file system");
  StateStoreOptions options = small_options(disk.dir / "state");
  options.free_bytes_min = 16u << 20;
  auto opened = open_rocksdb_store(options, {.probe_interval = std::chrono::milliseconds(0)});
  REQUIRE(opened.ok());
  StateStore& store = **opened;
  fill_disk(disk.dir / "filler", 24u << 20);

  int acknowledged = 0;
  Status status;
  while (status.ok()) {
    WriteBatch batch = numbered_batch(acknowledged + 1);
    std::string noise;
    for (std::uint32_t i = 0, x = static_cast<std::uint32_t>(acknowledged) + 1; i < 20'000; ++i) {
      noise.push_back(static_cast<char>((x = x * 1664525u + 1013904223u) >> 24));
    }
    batch.put(Family::kPlaces, std::to_string(acknowledged), noise);
    status = store.write(batch, Durability::kBuffered);
    if (status.ok()) ++acknowledged;
    REQUIRE(acknowledged < 100'000);
  }
  CHECK(status.code() == StatusCode::kResourceExhausted);
  // It was the gate that said so, and of what it keeps free the disk still has what opening needs: the rest may have
  // gone for what RocksDB had in its memory and wrote since, and for a compaction under way.
  for (const std::string& said : {status.message(), store.stats().detail}) {
    CHECK_MESSAGE(said.find("writing stops below 16.0 MiB") != std::string::npos, said);
  }
  const auto free = free_space(disk.dir.path());
  REQUIRE(free.ok());
  CHECK(*free < 16u << 20);
  CHECK(*free >= options.free_bytes_min / 4);
  CHECK(acknowledged > 10);
  CHECK(check_numbered(store) == acknowledged);

  fs::remove(disk.dir / "filler");
  write_numbered(store, acknowledged + 1, acknowledged + 10);
  must(store.close());
  auto again = open_rocksdb_store(options);
  REQUIRE(again.ok());
  CHECK(check_numbered(**again) == acknowledged + 10);
  must((*again)->close());
}

}  // namespace
}  // namespace cairn::storage
