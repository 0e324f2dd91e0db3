// Against a real broker: Apache Kafka, brought up by tools/dev kafka in a temporary folder.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/kafka_broker.h"

namespace {

using namespace cairn;
using namespace cairn::streaming;
using namespace std::chrono_literals;
using cairn::test::begin;
using cairn::test::KafkaBroker;
using cairn::test::KafkaClient;

KafkaSourceOptions options(const std::string& topic) {
  KafkaSourceOptions options;
  options.brokers = KafkaBroker::shared().address();
  options.topic = topic;
  options.group = "cairn-" + topic;
  options.properties = {{"fetch.wait.max.ms", "10"}, {"topic.metadata.refresh.interval.ms", "200"}};
  return options;
}

std::unique_ptr<Source> make(const std::string& topic) { return make_kafka_source(options(topic), 4096, {}); }

/// All that was read, and how often; and where to resume.
struct Reader {
  std::map<std::string, int> payloads;
  std::map<std::int32_t, std::int64_t> next;
  std::map<Reject, int> rejects;
  std::map<std::int32_t, SourcePosition> positions;
  std::uint64_t gap_records = 0;
  std::vector<SourcePosition> unchecked;

  [[nodiscard]] std::vector<SourcePosition> resume() const {
    std::vector<SourcePosition> all;
    for (const auto& [partition, position] : positions) all.push_back(position);
    return all;
  }
  void take(const RecordBatch& batch) {
    for (const Record& record : batch.records) {
      if (record.reject != Reject::kNone) ++rejects[record.reject];
      ++payloads[std::string(record.payload.substr(0, 100))];
      CHECK(record.offset.value >= next[record.partition.value]);
      next[record.partition.value] = record.offset.value + 1;
    }
    for (const SourcePosition& position : batch.positions) positions[position.partition.value] = position;
    gap_records += batch.gap_records;
    unchecked.insert(unchecked.end(), batch.unchecked.begin(), batch.unchecked.end());
  }
  /// Waits out trouble that passes.
  void poll_once(Source& source, std::size_t records_max = 5'000) {
    RecordBatch batch;
    const Status polled = source.poll(records_max, 100ms, &batch);
    if (!polled.ok()) REQUIRE_MESSAGE(polled.code() == StatusCode::kUnavailable, polled.to_string());
    if (polled.ok()) take(batch);
  }
  /// Reads until the end; waits out trouble that passes, for a minute.
  void read_to_end(Source& source, std::size_t records_max = 5'000) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    RecordBatch batch;
    do {
      const Status polled = source.poll(records_max, 100ms, &batch);
      if (!polled.ok()) REQUIRE_MESSAGE(polled.code() == StatusCode::kUnavailable, polled.to_string());
      if (polled.ok()) take(batch);
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    } while (!batch.at_end);
  }
};

std::map<std::string, int> produce(const std::string& topic, int count, int partitions,
                                   const std::string& prefix = "m") {
  std::map<std::string, int> sent;
  KafkaClient producer;
  for (int i = 0; i < count; ++i) {
    const std::string payload = prefix + std::to_string(i);
    producer.send(topic, i % partitions, payload);
    ++sent[payload];
  }
  producer.flush();
  return sent;
}

TEST_CASE("all partitions are read from the beginning, each in order, to the end") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic whole --partitions 4");
  const auto sent = produce("whole", 50'000, 4);
  const auto source = make("whole");
  REQUIRE(begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
  CHECK(reader.positions.size() == 4);
  for (const auto& [partition, position] : reader.positions) CHECK(position.offset.value == 12'500);
  const auto ends = source->end_positions();
  REQUIRE(ends.ok());
  CHECK(ends->size() == 4);
  const auto more = produce("whole", 8, 4, "later");
  reader.payloads.clear();
  while (reader.payloads.size() < more.size()) reader.read_to_end(*source);
  CHECK(reader.payloads == more);
}

TEST_CASE("lines of a file are produced by key, and a restart at any point gives every one exactly once") {
  if (!KafkaBroker::shared().here()) return;
  const std::uint32_t seed = 17;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  KafkaBroker::shared().must("topic resumed --partitions 3");
  const std::string file = KafkaBroker::shared().folder() + "/lines.ndjson";
  std::map<std::string, int> sent;
  {
    std::ofstream out(file);
    for (int i = 0; i < 10'000; ++i) {
      const std::string line = R"({"user_id":"u)" + std::to_string(i % 50) + R"(","n":)" + std::to_string(i) + "}";
      out << line << "\n";
      ++sent[line];
    }
  }
  KafkaBroker::shared().must("produce resumed " + file + " --key user_id");
  Reader reader;
  for (int life = 0; life < 12; ++life) {
    // The source commits to the group as it goes; a life that is cut off before its last batch is stored must not be
    // misled by that.
    const auto source = make("resumed");
    const Status started = begin(*source, reader.resume());
    REQUIRE_MESSAGE(started.ok(), started.to_string());
    RecordBatch batch;
    const unsigned polls = random() % 6;
    for (unsigned i = 0; i < polls; ++i) {
      REQUIRE(source->poll(1 + random() % 500, 200ms, &batch).ok());
      reader.take(batch);
    }
    REQUIRE(source->poll(300, 200ms, &batch).ok());  // read, and lost with the process
  }
  const auto source = make("resumed");
  const Status started = begin(*source, reader.resume());
  REQUIRE_MESSAGE(started.ok(), started.to_string());
  reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
}

TEST_CASE("tombstones are passed over, and what is too long is handed out as such") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic odd --partitions 1");
  KafkaClient producer;
  producer.send("odd", 0, "first");
  producer.send("odd", 0, std::nullopt);
  producer.send("odd", 0, std::string(200'000, 'x'));
  producer.send("odd", 0, std::string(4096, 'y'));  // exactly as long as an event may be
  producer.send("odd", 0, std::string(4097, 'z'));
  producer.send("odd", 0, std::nullopt);
  producer.flush();
  const auto source = make("odd");
  REQUIRE(begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads.at("first") == 1);
  CHECK(reader.payloads.size() == 4);
  CHECK(reader.rejects == std::map<Reject, int>{{Reject::kOversized, 2}});
  CHECK(reader.positions.at(0).offset.value == 6);
}

TEST_CASE("a topic that is not there yet is waited for, and the message says what to do") {
  if (!KafkaBroker::shared().here()) return;
  const auto early = make("awaited");
  const Status missing = begin(*early);
  CHECK(missing.code() == StatusCode::kFailedPrecondition);  // somebody must
  CHECK(missing.message().find("create the topic") != std::string::npos);
  KafkaBroker::shared().must("topic awaited --partitions 2");
  produce("awaited", 10, 2);
  Status started;
  for (int i = 0; i < 100; ++i) {
    const auto source = make("awaited");
    started = begin(*source);
    if (!started.ok()) continue;
    Reader reader;
    reader.read_to_end(*source);
    CHECK(reader.payloads.size() == 10);
    break;
  }
  CHECK_MESSAGE(started.ok(), started.to_string());
}

/// Everything that a source logs, by event.
struct Lines {
  std::multiset<std::string> events;

  Logger logger() {
    return Logger([this](LogLevel, std::string_view event, std::string_view, std::initializer_list<LogField>) {
      const std::lock_guard<std::mutex> lock(mutex);  // librdkafka's threads write, too
      events.emplace(event);
    });
  }
  std::size_t count(const std::string& event) {
    const std::lock_guard<std::mutex> lock(mutex);
    return events.count(event);
  }
  std::mutex mutex;
};

TEST_CASE(
    "a partition whose position was trimmed away or lies beyond the end is held by its name, and others are read") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic trimmed --partitions 3");
  produce("trimmed", 300, 3);
  KafkaClient().trim("trimmed", 0, 60);
  const std::vector<SourcePosition> stored{
      {Partition{0}, Offset{25}, ""}, {Partition{1}, Offset{130}, ""}, {Partition{2}, Offset{40}, ""}};
  const auto source = make("trimmed");
  REQUIRE(begin(*source, stored).ok());
  const std::vector<Obstacle> held = source->obstacles();
  REQUIRE(held.size() == 2);
  CHECK(held[0].partition == Partition{0});
  CHECK(held[0].gap);
  CHECK(held[0].reason.find("partition 0: ") != std::string::npos);
  CHECK(held[0].reason.find("35 records were trimmed") != std::string::npos);
  CHECK(held[1].partition == Partition{1});
  CHECK(held[1].reason.find("30 records that were read are gone") != std::string::npos);
  Reader reader;
  while (reader.payloads.size() < 60) reader.poll_once(*source);
  CHECK(reader.positions.size() == 1);
  CHECK(reader.positions.at(2).offset.value == 100);

  // Accepted, the first goes on behind the gap, and the second, of which nothing is known any more, from the beginning.
  const auto accepting = make("trimmed");
  accepting->accept_gaps(std::vector{Partition{0}, Partition{1}});
  REQUIRE(begin(*accepting, stored).ok());
  CHECK(accepting->obstacles().empty());
  Reader after;
  after.read_to_end(*accepting);
  CHECK(after.payloads.size() == 40 + 100 + 60);
  CHECK(after.gap_records == 35);
  CHECK(after.positions.at(0).offset.value == 100);
}

TEST_CASE("records that retention takes while their reader lags are told of, and nothing is passed over in silence") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic overtaken --partitions 1");
  produce("overtaken", 100, 1);
  const std::vector<SourcePosition> stored{{Partition{0}, Offset{25}, ""}};
  const auto source = make("overtaken");
  RecordBatch batch;
  while (batch.assigned.empty()) static_cast<void>(source->poll(10, 100ms, &batch));
  KafkaClient().trim("overtaken", 0, 60);  // between the look at what the partition holds and the first fetch
  REQUIRE(source->resume(stored).ok());
  Status polled;
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (polled.ok()) {
    polled = source->poll(10, 100ms, &batch);
    CHECK(batch.records.empty());
    CHECK_FALSE(batch.at_end);
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
  source->close();
  const auto anew = make("overtaken");
  REQUIRE(begin(*anew, stored).ok());
  REQUIRE(anew->obstacles().size() == 1);
  CHECK(anew->obstacles()[0].reason.find("35 records were trimmed") != std::string::npos);
}

TEST_CASE("an accepted gap is a position to be stored, also where nothing comes after it") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic emptied --partitions 1");
  produce("emptied", 50, 1);
  KafkaClient().trim("emptied", 0, 50);
  const auto source = make("emptied");
  source->accept_gaps(std::vector{Partition{0}});
  REQUIRE(begin(*source, std::vector<SourcePosition>{{Partition{0}, Offset{20}, ""}}).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.positions.at(0).offset.value == 50);
  CHECK(reader.gap_records == 30);
}

TEST_CASE("a source that is to accept gaps reads on behind what retention took, and begins no other topic by itself") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic by-itself --partitions 2");
  produce("by-itself", 200, 2);
  KafkaClient().trim("by-itself", 0, 60);
  KafkaSourceOptions accepting = options("by-itself");
  accepting.on_gap = OnGap::kAccept;
  const auto source = make_kafka_source(accepting, 4096, {});
  REQUIRE(begin(*source, std::vector<SourcePosition>{{Partition{0}, Offset{25}, ""}, {Partition{1}, Offset{130}, ""}})
              .ok());
  const std::vector<Obstacle> held = source->obstacles();
  REQUIRE(held.size() == 1);
  CHECK(held[0].partition == Partition{1});  // it may be another topic, whose events were counted
  Reader reader;
  while (reader.payloads.size() < 40) reader.poll_once(*source);
  CHECK(reader.gap_records == 35);
  CHECK(reader.positions.at(0).offset.value == 100);
}

TEST_CASE("markers of transactions and given-up records at the tail count as read, and their retention loses nothing") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic exact --partitions 1");
  KafkaClient::send_in_transaction("exact", 0, {"a", "b", "c"}, KafkaClient::Outcome::kCommitted);  // 0-2, marker 3
  KafkaClient::send_in_transaction("exact", 0, {"x", "y"}, KafkaClient::Outcome::kAborted);         // 4-5, marker 6
  const auto source = make("exact");
  REQUIRE(begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads == std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}});
  CHECK(reader.positions.at(0).offset.value == 7);
  const auto ends = source->end_positions();
  REQUIRE(ends.ok());
  CHECK(ends->at(0).offset.value == 7);  // so the lag is 0

  KafkaClient().trim("exact", 0, 7);
  KafkaClient::send_in_transaction("exact", 0, {"d"}, KafkaClient::Outcome::kCommitted);
  const auto again = make("exact");
  REQUIRE(begin(*again, reader.resume()).ok());
  CHECK(again->obstacles().empty());
  Reader after;
  after.read_to_end(*again);
  CHECK(after.payloads == std::map<std::string, int>{{"d", 1}});
}

void make_anew(const std::string& topic, int partitions) {
  KafkaClient().remove(topic);
  KafkaBroker::shared().must("topic " + topic + " --partitions " + std::to_string(partitions));
}

TEST_CASE("a topic made anew is known by its records, whether it is shorter or longer than the one that was read") {
  if (!KafkaBroker::shared().here()) return;
  for (const int records : {10, 3'000, 5'500}) {
    INFO("new records ", records);
    const std::string topic = "anew-" + std::to_string(records);
    KafkaBroker::shared().must("topic " + topic + " --partitions 1");
    produce(topic, 3'000, 1);
    Reader reader;
    {
      const auto source = make(topic);
      REQUIRE(begin(*source).ok());
      reader.read_to_end(*source);
    }
    make_anew(topic, 1);
    const auto sent = produce(topic, records, 1, "new");
    const auto source = make(topic);
    REQUIRE(begin(*source, reader.resume()).ok());
    Reader nothing;
    for (int i = 0; i < 600 && source->obstacles().empty(); ++i) nothing.poll_once(*source);
    REQUIRE(source->obstacles().size() == 1);
    CHECK(source->obstacles()[0].reason.find("made anew") != std::string::npos);
    for (int i = 0; i < 5; ++i) nothing.poll_once(*source);
    CHECK(nothing.payloads.empty());
    CHECK(nothing.positions.empty());

    const auto accepting = make(topic);
    accepting->accept_gaps(std::vector{Partition{0}});
    REQUIRE(begin(*accepting, reader.resume()).ok());
    Reader after;
    after.read_to_end(*accepting);
    CHECK(after.payloads == sent);
    CHECK(accepting->incarnation(Partition{0}, Offset{0}) == "1");
    CHECK(source->incarnation(Partition{0}, Offset{0}).empty());
    // It is the same one after a restart.
    const auto later = make(topic);
    REQUIRE(begin(*later, after.resume()).ok());
    CHECK(later->incarnation(Partition{0}, Offset{0}) == "1");
  }
}

TEST_CASE("a topic made anew between two fetches, and longer than what was read, is noticed while it is read") {
  if (!KafkaBroker::shared().here()) return;
  // The next fetch comes long before the next look at the topic, or after it.
  for (const char* backoff : {"400", "3000"}) {
    INFO("fetch.error.backoff.ms ", std::string(backoff));
    const std::string topic = std::string("swapped-") + backoff;
    KafkaBroker::shared().must("topic " + topic + " --partitions 1");
    produce(topic, 100, 1);
    KafkaSourceOptions slow = options(topic);
    slow.properties["fetch.error.backoff.ms"] = backoff;
    slow.properties["topic.metadata.refresh.interval.ms"] = "1000";
    const auto source = make_kafka_source(slow, 4096, {});
    REQUIRE(begin(*source).ok());
    Reader reader;
    reader.read_to_end(*source);
    const SourcePosition before = reader.positions.at(0);
    KafkaClient().remove(topic);
    KafkaClient().make_topic(topic, "compression.type", "producer");
    produce(topic, 150, 1, "new");
    Reader late;
    for (int i = 0; i < 600 && source->obstacles().empty(); ++i) {
      RecordBatch batch;
      // What was noticed at once makes the source fail, and a new one notices.
      if (!source->poll(5'000, 100ms, &batch).ok()) break;
      late.take(batch);
    }
    MESSAGE("read of the other topic: ", late.payloads.size(),
            ", noticed while it was read: ", !source->obstacles().empty());
    // It stays noticed after a restart, whatever was read meanwhile.
    const SourcePosition stored = late.positions.empty() ? before : late.positions.at(0);
    const auto again = make(topic);
    REQUIRE(begin(*again, std::span(&stored, 1)).ok());
    Reader none;
    for (int i = 0; i < 300 && again->obstacles().empty(); ++i) none.poll_once(*again);
    REQUIRE(again->obstacles().size() == 1);
    CHECK(again->obstacles()[0].reason.find("made anew") != std::string::npos);
    CHECK(none.payloads.empty());
  }
}

TEST_CASE("looking at a topic again while it is read loses no record and repeats none") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic looked-at --partitions 2");
  KafkaSourceOptions often = options("looked-at");
  often.properties["topic.metadata.refresh.interval.ms"] = "10";  // a look every 60 ms
  const auto source = make_kafka_source(often, 4096, {});
  REQUIRE(begin(*source).ok());
  Reader reader;
  std::map<std::string, int> sent;
  for (int round = 0; round < 20; ++round) {
    sent.merge(produce("looked-at", 2'000, 2, "r" + std::to_string(round) + "-"));
    for (int i = 0; i < 5; ++i) reader.poll_once(*source, 700);
  }
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (reader.payloads.size() < sent.size() && std::chrono::steady_clock::now() < deadline) {
    reader.poll_once(*source);
  }
  CHECK(reader.payloads == sent);
  CHECK(source->obstacles().empty());
}

TEST_CASE("a record that retention has taken cannot be checked, which is said, and reading goes on") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic unchecked --partitions 1");
  produce("unchecked", 20, 1);
  Reader reader;
  const auto source = make("unchecked");
  REQUIRE(begin(*source).ok());
  reader.read_to_end(*source);
  KafkaClient().trim("unchecked", 0, 20);
  const auto sent = produce("unchecked", 5, 1, "more");
  Lines lines;
  const auto again = make_kafka_source(options("unchecked"), 4096, lines.logger());
  REQUIRE(begin(*again, reader.resume()).ok());
  Reader after;
  after.read_to_end(*again);
  CHECK(after.payloads == sent);
  CHECK(lines.count("kafka.position_unchecked") == 1);
  REQUIRE(after.unchecked.size() == 1);
  CHECK(after.unchecked[0] == SourcePosition{Partition{0}, Offset{19}, {}});
}

TEST_CASE("a position says what was read last, and positions of an older form are read as they were meant") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic shrunk --partitions 2");
  produce("shrunk", 10, 2);
  Reader reader;
  const auto first = make("shrunk");
  REQUIRE(begin(*first).ok());
  reader.read_to_end(*first);
  CHECK(reader.positions.at(1).cursor.starts_with("2 2 4 "));  // version, partitions, offset
  const auto begin_with = [&](const std::string& cursor, std::vector<Obstacle>* held) {
    SourcePosition position = reader.positions.at(1);
    position.cursor = cursor;
    const auto source = make("shrunk");
    const Status begun = begin(*source, std::vector{position});
    *held = source->obstacles();
    return begun;
  };
  std::vector<Obstacle> held;
  CHECK(begin_with("1 3", &held).ok());
  REQUIRE(held.size() == 1);
  CHECK(held[0].reason.find("partition 1: it was read when the topic had 3 partitions") != std::string::npos);
  for (const char* text : {"1 2 3", "2 2", "2 2 4 5", "2 2 4 5 abcdefgh", "3 2", "1 0", "2 2 4 5 0badcafe ", "x",
                           "3 2 0", "3 2 1 ", "4 2 1", "4 2 1 4 5 0badcafe 6"}) {
    INFO(text);
    CHECK(begin_with(text, &held).code() == StatusCode::kInvalidArgument);
  }
  for (const char* text : {"", "1 2", "1 1", "3 2 7"}) {
    INFO(text);
    CHECK(begin_with(text, &held).ok());
    CHECK(held.empty());
  }
}

TEST_CASE("a topic that grows while it is read has its new partitions assigned, and their records come once") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic growing --partitions 2");
  auto sent = produce("growing", 2'000, 2);
  auto source = make("growing");
  REQUIRE(begin(*source).ok());
  Reader reader;
  RecordBatch batch;
  REQUIRE(source->poll(500, 5s, &batch).ok());
  reader.take(batch);

  KafkaClient().grow("growing", 5);
  sent.merge(produce("growing", 1'000, 5, "grown"));
  std::vector<Partition> assigned;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (assigned.size() < 3 && std::chrono::steady_clock::now() < deadline) {
    const Status polled = source->poll(100, 100ms, &batch);
    REQUIRE_MESSAGE(polled.ok(), polled.to_string());
    reader.take(batch);
    assigned.insert(assigned.end(), batch.assigned.begin(), batch.assigned.end());
    if (!batch.assigned.empty()) REQUIRE(source->resume({}).ok());
    CHECK(batch.revoked.empty());
  }
  CHECK(assigned == std::vector{Partition{2}, Partition{3}, Partition{4}});
  reader.read_to_end(*source);
  CHECK(reader.payloads == sent);

  // The next life begins with all five, each at its own position.
  source = make("growing");
  REQUIRE(source->poll(1, 0ms, &batch).ok());
  CHECK(batch.assigned.size() == 5);
  REQUIRE(source->resume(reader.resume()).ok());
  sent.merge(produce("growing", 50, 5, "again"));
  while (reader.payloads.size() < sent.size()) reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
}

TEST_CASE("a broker that dies and comes back costs time, not records") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic survived --partitions 2");
  auto sent = produce("survived", 2'000, 2);
  const auto source = make("survived");
  REQUIRE(begin(*source).ok());
  Reader reader;
  RecordBatch batch;
  REQUIRE(source->poll(500, 5s, &batch).ok());
  reader.take(batch);
  KafkaBroker::shared().must("down --immediate");
  bool noticed = false;
  for (int i = 0; i < 300 && !noticed; ++i) {
    const Status polled = source->poll(500, 100ms, &batch);
    if (polled.ok()) reader.take(batch);
    noticed = polled.code() == StatusCode::kUnavailable;
  }
  CHECK(noticed);
  KafkaBroker::shared().must("up");
  sent.merge(produce("survived", 100, 2, "after"));
  while (reader.payloads.size() < sent.size()) reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
}

TEST_CASE("batches whose bytes are damaged on the broker's disk cost themselves, however many follow each other") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic flipped --partitions 1");
  std::map<std::string, int> sent;
  for (int i = 0; i < 8; ++i) {
    std::vector<std::string> payloads;
    for (int n = 0; n < 10; ++n) payloads.push_back("batch" + std::to_string(i) + "-" + std::to_string(n));
    KafkaClient::send_packed("flipped", "zstd", payloads);
    if (i == 2 || i == 4 || i == 5) continue;
    for (const std::string& payload : payloads) ++sent[payload];
  }
  const std::string path = KafkaBroker::shared().folder() + "/data/flipped-0/00000000000000000000.log";
  std::fstream log(path, std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(log.good());
  const std::string bytes((std::istreambuf_iterator<char>(log)), std::istreambuf_iterator<char>());
  log.clear();
  for (const char* text : {"batch2-", "batch4-", "batch5-"}) {
    const std::size_t at = bytes.find(text);
    REQUIRE(at != std::string::npos);
    log.seekp(static_cast<std::streamoff>(at));
    log.put('X');
  }
  log.close();
  const auto source = make("flipped");
  REQUIRE(begin(*source).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads.erase("") == 1);
  for (const auto& [payload, times] : sent) CHECK_MESSAGE(reader.payloads[payload] == times, payload);
  CHECK(reader.payloads == sent);
  CHECK(reader.rejects == std::map<Reject, int>{{Reject::kDamagedBatch, 3}});
  CHECK(reader.positions.at(0).offset.value == 80);
}

TEST_CASE("options that cannot work are refused with the remedy, and secrets are not repeated") {
  KafkaSourceOptions bad;
  bad.brokers = "127.0.0.1:1";
  CHECK(begin(*make_kafka_source(bad, 100, {})).message().find("kafka.topic") != std::string::npos);
  bad.topic = "t";
  bad.properties = {{"enable.auto.commit", "true"}};
  CHECK(begin(*make_kafka_source(bad, 100, {})).code() == StatusCode::kInvalidArgument);
  bad.properties = {{"security.protocol", "hunter2"}};
  const Status refused = begin(*make_kafka_source(bad, 100, {}));
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message().find("hunter2") == std::string::npos);
}

}  // namespace
