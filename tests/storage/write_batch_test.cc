#include "storage/write_batch.h"

#include <doctest/doctest.h>
#include <rocksdb/write_batch.h>

#include <random>
#include <string>

namespace cairn::storage {
namespace {

/// The key as format.md says.
std::string stored(Family family, const std::string& key) {
  constexpr char kBytes[] = {0, 1, 2, 3, 4, 5};
  return kBytes[static_cast<std::size_t>(family)] + key;
}

void must(const rocksdb::Status& status) { REQUIRE_MESSAGE(status.ok(), status.ToString()); }

TEST_CASE("a batch has the bytes that RocksDB's own batch makes of the same operations") {
  const std::uint32_t seed = 20240811;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  // Sizes around the lengths at which a varint grows.
  constexpr std::size_t kSizes[] = {0, 1, 7, 127, 128, 129, 4095, 4096, 16383, 16384, 70'000};
  const auto text = [&](std::size_t least) {
    std::string bytes(std::max(least, kSizes[below(std::size(kSizes))]), '\0');
    for (char& byte : bytes) byte = static_cast<char>(below(256));
    return bytes;
  };
  for (int round = 0; round < 50; ++round) {
    WriteBatch ours;
    rocksdb::WriteBatch theirs;
    REQUIRE(ours.bytes() == theirs.Data());
    for (std::size_t ops = below(12); ops > 0; --ops) {
      const auto family = static_cast<Family>(below(kFamilies));
      const Family ranged = family == Family::kState ? Family::kDedup : family;
      const std::string key = text(1);
      const std::string value = text(0);
      switch (below(4)) {
        case 0:
          ours.put(family, key, value);
          must(theirs.Put(stored(family, key), value));
          break;
        case 1:
          ours.merge(Family::kState, key, value);
          must(theirs.Merge(stored(Family::kState, key), value));
          break;
        case 2:
          ours.remove(family, key);
          must(theirs.Delete(stored(family, key)));
          break;
        default:
          ours.remove_prefix(ranged, key + "a");
          must(theirs.DeleteRange(stored(ranged, key + "a"), stored(ranged, key + "b")));
      }
    }
    REQUIRE(ours.bytes() == theirs.Data());
    REQUIRE(ours.count() == theirs.Count());
  }
}

TEST_CASE("the bytes of a small batch are those that format.md spells out") {
  WriteBatch batch;
  batch.put(Family::kMeta, "k", "vw");
  batch.remove(Family::kIds, "x");
  CHECK(batch.bytes() == std::string("\0\0\0\0\0\0\0\0"  // sequence
                                     "\2\0\0\0"          // operations
                                     "\1\2\1k\2vw"       // put, family 1
                                     "\0\2\2x",
                                     8 + 4 + 7 + 4));
}

TEST_CASE("operations read back in their order, a removed prefix as the range of its keys") {
  WriteBatch batch;
  batch.put(Family::kQuarantine, "", "value");
  batch.merge(Family::kState, "key", std::string("\0\xff", 2));
  batch.remove(Family::kIds, "gone");
  batch.remove_prefix(Family::kDedup, "a\xff");
  batch.remove_prefix(Family::kDedup, "\xff");
  const std::vector<WriteBatch::Op> ops = batch.ops();
  const auto is = [&](std::size_t i, WriteBatch::Kind kind, Family family, std::string_view key,
                      std::string_view value) {
    return ops[i].kind == kind && ops[i].family == family && ops[i].key == key && ops[i].value == value;
  };
  REQUIRE(ops.size() == 5);
  CHECK(batch.count() == 5);
  CHECK(is(0, WriteBatch::Kind::kPut, Family::kQuarantine, "", "value"));
  CHECK(is(1, WriteBatch::Kind::kMerge, Family::kState, "key", std::string("\0\xff", 2)));
  CHECK(is(2, WriteBatch::Kind::kRemove, Family::kIds, "gone", ""));
  CHECK(is(3, WriteBatch::Kind::kRemoveRange, Family::kDedup, "a\xff", "b"));
  CHECK(is(4, WriteBatch::Kind::kRemoveRange, Family::kDedup, "\xff", ""));
}

TEST_CASE("a batch can be used again after it was cleared, moved from or taken apart") {
  WriteBatch batch;
  batch.put(Family::kIds, std::string(kKeyBytesMax + 1, 'k'), "");
  CHECK(!batch.check_key_sizes().ok());
  const WriteBatch moved(std::move(batch));
  CHECK(moved.count() == 1);
  CHECK(!moved.check_key_sizes().ok());
  for (int round = 0; round < 3; ++round) {
    CHECK(batch.empty());
    CHECK(batch.ops().empty());
    CHECK(batch.check_key_sizes().ok());
    batch.put(Family::kIds, "key", "value");
    CHECK(batch.count() == 1);
    if (round == 0) batch.clear();
    if (round == 1) CHECK(batch.take_bytes().size() == 12 + 2 + 4 + 6);
  }
  WriteBatch other;
  other = std::move(batch);
  CHECK(other.count() == 1);
  CHECK(batch.empty());
}

}  // namespace
}  // namespace cairn::storage
