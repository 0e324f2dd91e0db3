#include "storage/passing_store.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/files_with.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using storage::PassingStore;
using storage::PassingStoreOptions;

std::unique_ptr<PassingStore> open(const PassingStoreOptions& options) {
  auto store = PassingStore::open(options);
  REQUIRE_MESSAGE(store.ok(), store.status().to_string());
  return *std::move(store);
}

PassingStoreOptions options_in(const test::TemporaryFolder& folder) {
  return {.path = folder / "store", .free_bytes_min = 1 << 20};
}

std::string some_text(std::mt19937* random, std::size_t size) {
  std::string text;
  while (text.size() < size) text += "place-" + std::to_string((*random)() % 1'000) + ",";
  return text;
}

TEST_CASE("what was put is got, the newer one of a key, under every compression") {
  for (const Compression compression : {Compression::kNone, Compression::kLz4, Compression::kSnappy}) {
    const test::TemporaryFolder folder;
    PassingStoreOptions options = options_in(folder);
    options.compression = compression;
    const auto store = open(options);
    CHECK_FALSE(*store->get("a"));
    REQUIRE(store->put("a", "1").ok());
    REQUIRE(store->flush().ok());
    REQUIRE(store->put("a", "2").ok());
    REQUIRE(store->put("b", std::string(100'000, 'x')).ok());
    CHECK(**store->get("a") == "2");
    REQUIRE(store->flush().ok());
    CHECK(**store->get("a") == "2");
    CHECK(**store->get("b") == std::string(100'000, 'x'));
    CHECK_FALSE(*store->get("c"));
  }
}

TEST_CASE("what can be got counts as bytes, also before it is in a file, and an empty store has none") {
  const test::TemporaryFolder folder;
  const auto store = open(options_in(folder));
  CHECK(store->stats().bytes == 0);
  std::mt19937 random(3);
  REQUIRE(store->put("a", some_text(&random, 100'000)).ok());
  REQUIRE(*store->get("a"));
  CHECK(store->stats().bytes >= 100'000);
  CHECK(store->stats().bytes < 2'000'000);
  REQUIRE(store->clear().ok());
  CHECK(store->stats().bytes == 0);
}

TEST_CASE("LZ4 and Snappy make files smaller") {
  std::mt19937 random(1);
  const std::string text = some_text(&random, 4'000'000);
  const auto bytes = [&](Compression compression) {
    const test::TemporaryFolder folder;
    PassingStoreOptions options = options_in(folder);
    options.compression = compression;
    const auto store = open(options);
    for (std::size_t i = 0; i < 1'000; ++i) {
      REQUIRE(store->put("k" + std::to_string(i), text.substr(i * 4'000, 4'000)).ok());
    }
    REQUIRE(store->flush().ok());
    return store->stats().bytes;
  };
  const std::uint64_t plain = bytes(Compression::kNone);
  CHECK(plain > 4'000'000);
  CHECK(bytes(Compression::kLz4) < plain * 3 / 4);
  CHECK(bytes(Compression::kSnappy) < plain * 3 / 4);
}

TEST_CASE("a store that is opened again is empty") {
  const test::TemporaryFolder folder;
  {
    const auto store = open(options_in(folder));
    REQUIRE(store->put("a", "1").ok());
    REQUIRE(store->flush().ok());
  }
  folder.write("store/stray", "what somebody left");
  const auto store = open(options_in(folder));
  CHECK_FALSE(*store->get("a"));
  CHECK_FALSE(std::filesystem::exists(folder / "store/stray"));
}

TEST_CASE("after clearing, no byte of what was there is in a file, and the store goes on") {
  const test::TemporaryFolder folder;
  PassingStoreOptions options = options_in(folder);
  options.compression = Compression::kNone;
  const auto store = open(options);
  REQUIRE(store->put("secret-key", "secret-value").ok());
  REQUIRE(store->flush().ok());
  REQUIRE(store->clear().ok());
  CHECK_FALSE(*store->get("secret-key"));
  REQUIRE(store->put("b", "2").ok());
  REQUIRE(store->flush().ok());
  CHECK(**store->get("b") == "2");
  CHECK(test::files_with(folder.path(), "secret") == std::vector<std::string>{});
}

TEST_CASE("the oldest go when there are too many bytes") {
  const test::TemporaryFolder folder;
  PassingStoreOptions options = options_in(folder);
  options.bytes_max = 4 << 20;
  options.compression = Compression::kNone;
  options.memtable_bytes = 1 << 20;
  const auto store = open(options);
  for (int i = 0; i < 20'000; ++i) REQUIRE(store->put("k" + std::to_string(i), std::string(1'000, 'x')).ok());
  REQUIRE(store->flush().ok());
  // Removing happens beside the writes; one more flush lets it see the last file.
  REQUIRE(store->put("last", "x").ok());
  REQUIRE(store->flush().ok());
  while (store->stats().bytes > 6u << 20) REQUIRE(store->flush().ok());
  CHECK_FALSE(*store->get("k0"));
  CHECK(*store->get("last"));
  CHECK(*store->get("k19999"));
}

TEST_CASE("nothing is written while the disk is nearly full, and what is there is read") {
  const test::TemporaryFolder folder;
  PassingStoreOptions options = options_in(folder);
  options.free_bytes_min = std::uint64_t{1} << 60;
  const auto store = open(options);
  CHECK(store->put("a", "1").code() == StatusCode::kResourceExhausted);
  CHECK_FALSE(*store->get("a"));
}

TEST_CASE("a path that cannot be a directory is an error that names it") {
  const test::TemporaryFolder folder;
  folder.write("file", "");
  CHECK(PassingStore::open({.path = ""}).status().code() == StatusCode::kInvalidArgument);
  const Status status = PassingStore::open({.path = folder / "file" + "/below"}).status();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("file/below") != std::string::npos);
}

}  // namespace
