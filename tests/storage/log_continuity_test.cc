#include "storage/rocksdb/log_continuity.h"

#include <doctest/doctest.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <string>

#include "storage/format_version.h"
#include "storage/write_batch.h"

namespace cairn::storage {
namespace {

constexpr std::uint32_t kFamily = 0;

/// A record of the log as RocksDB hands it out: a sequence number, which stands in its first eight bytes, and so many
/// operations.
rocksdb::WriteBatch record(std::uint64_t sequence, WriteBatch batch) {
  std::string bytes = batch.take_bytes();
  for (std::size_t i = 0; i < sizeof sequence; ++i) bytes[i] = static_cast<char>(sequence >> (8 * i));
  return rocksdb::WriteBatch(bytes);
}

rocksdb::WriteBatch record(std::uint64_t sequence, int operations) {
  WriteBatch batch;
  for (int i = 0; i < operations; ++i) batch.put(Family::kState, "row " + std::to_string(i), "x");
  return record(sequence, std::move(batch));
}

rocksdb::WriteBatch mark(std::uint64_t sequence) {
  WriteBatch batch;
  batch.put(Family::kMeta, kFormatVersionKey, "2");
  return record(sequence, std::move(batch));
}

struct Replay {
  explicit Replay(std::uint64_t first_log) { continuity.ColumnFamilyLogNumberMap({{kFamily, first_log}}, {}); }

  bool goes_on(std::uint64_t log, const rocksdb::WriteBatch& batch) {
    bool changed = false;
    return continuity.LogRecordFound(log, "a.log", batch, nullptr, &changed) ==
           rocksdb::WalFilter::WalProcessingOption::kContinueProcessing;
  }

  LogContinuity continuity{Logger()};
};

TEST_CASE("records of the log are replayed while each begins where the one before ended, over its files too") {
  Replay replay(7);
  CHECK(replay.goes_on(7, record(100, 3)));
  CHECK(replay.goes_on(7, record(103, 1)));
  CHECK(replay.goes_on(9, record(104, 5)));
  CHECK(replay.goes_on(10, record(109, 2)));
}

TEST_CASE("a record that is missing ends the replay, wherever it was") {
  for (const std::uint64_t log : {7U, 9U}) {
    Replay late(7);
    CHECK(late.goes_on(7, record(100, 3)));
    CHECK_FALSE(late.goes_on(log, record(104, 1)));
    Replay early(7);
    CHECK(early.goes_on(7, record(100, 3)));
    CHECK_FALSE(early.goes_on(log, record(102, 1)));
  }
}

TEST_CASE("the first record is one of the first log, else the log before it is missing") {
  CHECK(Replay(7).goes_on(7, record(100, 1)));
  CHECK_FALSE(Replay(7).goes_on(8, record(100, 1)));
  CHECK(Replay(7).goes_on(8, record(100, 0)));  // RocksDB's own, after a recovery
}

TEST_CASE("the mark of the format is taken at any number, and what follows it is counted from there") {
  Replay replay(7);
  CHECK(replay.goes_on(7, record(100, 3)));
  CHECK(replay.goes_on(8, mark(200)));
  CHECK_FALSE(replay.goes_on(8, record(103, 1)));
  Replay again(7);
  CHECK(again.goes_on(8, mark(200)));
  CHECK(again.goes_on(8, record(201, 1)));
}

}  // namespace
}  // namespace cairn::storage
