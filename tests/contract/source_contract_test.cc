// What every Source promises, checked on each of them. Kafka's needs a broker, and says so loudly where there is none.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/contract/source_twins.h"
#include "tests/support/begin_source.h"

#define CAIRN_SOURCES FileTwin, LogTwin, MemoryTwin, KafkaTwin

namespace cairn::streaming {
namespace {

using namespace std::chrono_literals;

using Payloads = std::map<Partition, std::vector<std::string>>;
using Positions = std::map<Partition, SourcePosition>;

std::vector<SourcePosition> values(const Positions& positions) {
  std::vector<SourcePosition> all;
  for (const auto& [partition, position] : positions) all.push_back(position);
  return all;
}

/// Payloads of all lengths that tell each other apart, none of them blank.
std::vector<std::string> payloads(std::uint32_t seed, std::size_t count) {
  std::mt19937 random(seed);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(std::to_string(seed) + "-" + std::to_string(i) + std::string(random() % 200, 'x'));
  }
  return all;
}

template <class Twin>
Payloads fill(Twin& twin, std::uint32_t seed, std::size_t count) {
  Payloads sent;
  for (const Partition partition : Twin::partitions()) {
    sent[partition] = payloads(seed + static_cast<std::uint32_t>(partition.value), count);
    twin.append(partition, sent[partition]);
  }
  return sent;
}

/// What one life of a source delivered, and where its partitions stand.
struct Reader {
  Payloads got;
  Positions positions;
  std::map<Partition, Offset> last;

  void take(const RecordBatch& batch) {
    for (const Record& record : batch.records) {
      got[record.partition].emplace_back(record.payload);
      const auto before = last.find(record.partition);
      if (before != last.end()) CHECK(record.offset > before->second);
      last[record.partition] = record.offset;
      // Readable, whatever it is: a sanitizer build says so when it is not.
      std::uint32_t padding = 0;
      for (std::size_t i = 0; i < kPayloadPadding; ++i) padding += static_cast<unsigned char>(record.payload.end()[i]);
      CHECK(padding < 256 * kPayloadPadding);
    }
    for (const SourcePosition& position : batch.positions) {
      positions[position.partition] = position;
      CHECK(position.offset > last.at(position.partition));
    }
  }

  /// Polls until `end` holds; a minute at most.
  template <class End>
  void read_until(Source& source, std::size_t records_max, End end) {
    RecordBatch batch;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    do {
      const Status polled = source.poll(records_max, 100ms, &batch);
      REQUIRE_MESSAGE(polled.ok(), polled.to_string());
      CHECK(batch.records.size() <= records_max);
      take(batch);
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    } while (!end(batch));
  }
  void read_to_end(Source& source, std::size_t records_max = 1000) {
    read_until(source, records_max, [](const RecordBatch& batch) { return batch.at_end; });
  }
};

template <class Twin>
Reader read_in_one_life(Twin& twin) {
  Reader reader;
  const auto source = twin.source();
  REQUIRE(test::begin(*source).ok());
  reader.read_to_end(*source);
  return reader;
}

TEST_CASE_TEMPLATE("the first poll assigns every partition once and brings nothing of them", Twin, CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  fill(twin, 1, 3);
  const auto source = twin.source();
  RecordBatch batch;
  const Status polled = source->poll(100, 0ms, &batch);
  REQUIRE_MESSAGE(polled.ok(), polled.to_string());
  CHECK(batch.assigned == Twin::partitions());
  CHECK(batch.revoked.empty());
  CHECK(batch.records.empty());
  CHECK(batch.positions.empty());
  CHECK_FALSE(batch.at_end);
  REQUIRE(source->resume({}).ok());
  REQUIRE(source->poll(100, 0ms, &batch).ok());
  CHECK(batch.assigned.empty());
}

TEST_CASE_TEMPLATE("every record is delivered once, in the order of its partition", Twin, CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  Payloads sent = fill(twin, 2, 300);
  const auto source = twin.source();
  REQUIRE(test::begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source, 70);
  CHECK(reader.got == sent);
  for (auto& [partition, more] : fill(twin, 900, 20))
    sent[partition].insert(sent[partition].end(), more.begin(), more.end());
  reader.read_until(*source, 1000, [&](const RecordBatch&) { return reader.got == sent; });
}

TEST_CASE_TEMPLATE("wherever a batch ends, another life resumes with exactly the records after it", Twin,
                   CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  const Payloads sent = fill(twin, 3, 60);
  std::mt19937 random(3);
  Reader reader;
  const auto done = [&](const RecordBatch&) { return true; };
  for (int life = 0; reader.got != sent; ++life) {
    REQUIRE(life < 200);
    const auto source = twin.source();
    const Status begun = test::begin(*source, values(reader.positions));
    REQUIRE_MESSAGE(begun.ok(), begun.to_string());
    for (unsigned polls = 1 + random() % 3; polls > 0; --polls) reader.read_until(*source, 1 + random() % 9, done);
    RecordBatch lost;
    REQUIRE(source->poll(5, 0ms, &lost).ok());  // read, and not stored
  }
  CHECK(reader.got == sent);
}

TEST_CASE_TEMPLATE("a partition without a position begins at its beginning, whatever the others do", Twin,
                   CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  const Payloads sent = fill(twin, 4, 40);
  const Reader first = read_in_one_life(twin);
  Positions stored = first.positions;
  const Partition forgotten = Twin::partitions().back();
  stored.erase(forgotten);
  const auto source = twin.source();
  REQUIRE(test::begin(*source, values(stored)).ok());
  Reader again;
  again.read_to_end(*source);
  CHECK(again.got == Payloads{{forgotten, sent.at(forgotten)}});
}

TEST_CASE_TEMPLATE("a position that the source does not hold is told by its partition, and nothing is read of it", Twin,
                   CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  const Payloads sent = fill(twin, 5, 10);
  const Reader first = read_in_one_life(twin);
  const Partition wrong = Twin::partitions().back();
  Positions beyond = first.positions;
  beyond[wrong].offset.value += 1'000'000;
  const auto source = twin.source();
  const Status begun = test::begin(*source, values(beyond));
  if (begun.ok()) {
    REQUIRE(source->obstacles().size() == 1);
    CHECK(source->obstacles()[0].partition == wrong);
    CHECK(source->obstacles()[0].gap);
    Reader reader;
    reader.read_until(*source, 1000, [&](const RecordBatch& batch) { return batch.records.empty(); });
    CHECK(reader.got.empty());  // the others are at their end
    return;
  }
  CHECK(begun.code() == StatusCode::kOutOfRange);
  CHECK(begun.message().find("partition " + std::to_string(wrong.value)) != std::string::npos);
  REQUIRE(source->resume({}).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.got == sent);
}

TEST_CASE_TEMPLATE("at the end an empty batch is the answer, and end_positions says the same", Twin, CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  fill(twin, 6, 25);
  const auto source = twin.source();
  REQUIRE(test::begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  RecordBatch batch;
  REQUIRE(source->poll(10, 0ms, &batch).ok());
  CHECK(batch.records.empty());
  CHECK(batch.positions.empty());
  CHECK(batch.at_end);
  CHECK_FALSE(batch.finished);
  const auto ends = source->end_positions();
  REQUIRE(ends.ok());
  std::map<Partition, Offset> expected;
  std::map<Partition, Offset> found;
  for (const auto& [partition, position] : reader.positions) expected[partition] = position.offset;
  for (const SourcePosition& end : *ends) found[end.partition] = end.offset;
  CHECK(found == expected);
}

TEST_CASE_TEMPLATE("another thread may ask for the ends from before the first poll on", Twin, CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  fill(twin, 7, 5);
  const auto source = twin.source();
  const std::jthread asker([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      static_cast<void>(source->end_positions());
      std::this_thread::yield();
    }
  });
  REQUIRE(test::begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.positions.size() == source->end_positions()->size());
}

TEST_CASE_TEMPLATE("close ends a poll that waits in another thread, while a third asks for the ends", Twin,
                   CAIRN_SOURCES) {
  if (!Twin::here()) return;
  Twin twin;
  fill(twin, 7, 5);
  const auto source = twin.source();
  REQUIRE(test::begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  std::atomic<bool> ended{false};
  std::thread poller([&] {
    RecordBatch batch;
    while (!ended) static_cast<void>(source->poll(10, 50ms, &batch));
    static_cast<void>(source->poll(10, std::chrono::minutes(5), &batch));
    CHECK(batch.records.empty());
  });
  std::thread asker([&] {
    for (int i = 0; i < 20; ++i) static_cast<void>(source->end_positions());
  });
  asker.join();
  const auto start = std::chrono::steady_clock::now();
  source->close();
  ended = true;
  poller.join();
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  source->close();
  RecordBatch batch;
  CHECK(source->poll(10, std::chrono::minutes(5), &batch).ok());
  CHECK(batch.records.empty());
  CHECK(batch.assigned.empty());
}

TEST_CASE("the twin in memory tells a partition that went and came back as revoked and assigned") {
  MemoryTwin twin;
  const auto [stays, moves] = std::pair(Partition{0}, Partition{2});
  fill(twin, 8, 4);
  const auto source = twin.source();
  REQUIRE(test::begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  twin.topic.revoke(moves);
  twin.topic.assign(moves);
  twin.append(moves, payloads(80, 2));
  RecordBatch batch;
  REQUIRE(source->poll(10, 0ms, &batch).ok());
  CHECK(batch.records.size() == 2);  // in flight: they belong to the time before
  CHECK(batch.revoked == std::vector{moves});
  CHECK(batch.assigned == std::vector{moves});
  CHECK_FALSE(batch.at_end);
  reader.take(batch);
  REQUIRE(source->release(batch.revoked).ok());
  REQUIRE(source->resume(std::vector{reader.positions.at(moves)}).ok());
  REQUIRE(source->poll(10, 0ms, &batch).ok());
  CHECK(batch.records.empty());
  CHECK(batch.at_end);
  twin.append(stays, payloads(81, 1));
  REQUIRE(source->poll(10, 0ms, &batch).ok());
  CHECK(batch.records.size() == 1);
}

}  // namespace
}  // namespace cairn::streaming
