// What the store says is in table files is there when the write-ahead log is gone.

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/storage/numbered_check.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

/// What is left of a store that died now and lost its log.
void copy_without_log(const std::string& from, const std::string& to) {
  fs::copy(from, to);
  for (const auto& file : fs::directory_iterator(to)) {
    if (file.path().extension() == ".log") fs::resize_file(file.path(), 0);
  }
}

TEST_CASE("what a flush has put into files survives the loss of the log, and what came later is gone with it") {
  TempDir dir;
  auto store = open_small(dir / "state");
  write_numbered(*store, 1, 30);
  must(store->flush());
  const std::uint64_t flushed = store->last_write();
  CHECK(store->last_write_in_files() == flushed);
  write_numbered(*store, 31, 50, Durability::kSynced);
  CHECK(store->last_write_in_files() == flushed);
  copy_without_log(dir / "state", dir / "image");
  auto image = open_small(dir / "image");
  CHECK(check_numbered(*image) == 30);
  CHECK(image->last_write_in_files() == flushed);
}

TEST_CASE("opening puts what it reads from the log into files") {
  TempDir dir;
  auto store = open_small(dir / "state");
  write_numbered(*store, 1, 20, Durability::kSynced);
  fs::copy(dir / "state", dir / "image");
  auto image = open_small(dir / "image");
  CHECK(image->last_write_in_files() == store->last_write());
  CHECK(image->last_write() > store->last_write());  // opening writes, too
  copy_without_log(dir / "image", dir / "image without log");
  CHECK(check_numbered(*open_small(dir / "image without log")) == 20);
}

TEST_CASE("a new store claims no write, and one that is opened again goes on counting") {
  TempDir dir;
  std::uint64_t last = 0;
  for (int n = 1; n <= 3; ++n) {
    auto store = open_small(dir / "state");
    CHECK(store->last_write() >= last);
    if (n > 1) CHECK(store->last_write_in_files() >= last);
    write_numbered(*store, n, n);
    CHECK(store->last_write() > last);
    last = store->last_write();
    must(store->close());
    CHECK(store->last_write() >= last);
  }
}

}  // namespace
}  // namespace cairn::storage
