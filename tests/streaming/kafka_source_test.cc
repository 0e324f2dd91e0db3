// Against a real broker: Apache Kafka, brought up by tools/dev kafka in a temporary folder.
#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "streaming/source.h"

namespace {

using namespace cairn;
using namespace cairn::streaming;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct CommandResult {
  int exit_code;
  std::string output;
};

CommandResult run(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), got);
  return {::pclose(pipe), output};
}

/// The broker of this program; down and gone at its end.
class Broker {
 public:
  static Broker& shared() {
    static Broker broker;
    return broker;
  }
  /// False when there can be no broker here (no Java, no Maven, jars not to be had), said loudly.
  [[nodiscard]] bool here() const {
    if (why_not_.empty()) return true;
    MESSAGE("SKIPPED: no Kafka broker here: ", why_not_);
    return false;
  }
  [[nodiscard]] CommandResult command(const std::string& words) const {
    return run(std::string(CAIRN_SOURCE_DIR) + "/tools/dev kafka " + words + " --dir " + folder_);
  }
  void must(const std::string& words) const {
    const CommandResult result = command(words);
    REQUIRE_MESSAGE(result.exit_code == 0, result.output);
  }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  Broker() {
    std::string pattern = (fs::temp_directory_path() / "cairn-kafka-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    // Without Java or the jars there is no broker to test with; with them one that does not come up is a failure.
    if (const CommandResult jars = command("fetch"); jars.exit_code != 0) {
      why_not_ = jars.output;
      return;
    }
    const CommandResult up = command("up");
    REQUIRE_MESSAGE(up.exit_code == 0, up.output);
    address_ = command("brokers").output;
    while (!address_.empty() && address_.back() == '\n') address_.pop_back();
  }
  ~Broker() {
    static_cast<void>(command("down --purge"));
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::string folder_;
  std::string address_;
  std::string why_not_;
};

KafkaSourceOptions options(const std::string& topic) {
  KafkaSourceOptions options;
  options.brokers = Broker::shared().address();
  options.topic = topic;
  options.group = "cairn-" + topic;
  options.properties = {{"fetch.wait.max.ms", "10"}, {"topic.metadata.refresh.interval.ms", "200"}};
  return options;
}

std::unique_ptr<Source> make(const std::string& topic) { return make_kafka_source(options(topic), 4096, {}); }

/// A client of the test's own for what the tools do not do.
class Producer {
 public:
  Producer() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    std::array<char, 256> why{};
    rd_kafka_conf_set(conf, "bootstrap.servers", Broker::shared().address().c_str(), why.data(), why.size());
    rd_kafka_conf_set(conf, "compression.type", "lz4", why.data(), why.size());
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
    REQUIRE_MESSAGE(handle_ != nullptr, why.data());
  }
  ~Producer() { rd_kafka_destroy(handle_); }

  /// nullopt: a tombstone.
  void send(const std::string& topic, std::int32_t partition, std::optional<std::string> payload) {
    void* bytes = payload ? payload->data() : nullptr;
    const std::size_t size = payload ? payload->size() : 0;
    const std::string key = "k";
    while (rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_KEY(key.data(), key.size()), RD_KAFKA_V_VALUE(bytes, size),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(handle_, 10);
    }
  }
  void flush() { REQUIRE(rd_kafka_flush(handle_, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR); }

  /// Removes the records before `offset`, as retention does.
  void trim(const std::string& topic, std::int32_t partition, std::int64_t offset) {
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
    rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t* queue = rd_kafka_queue_new(handle_);
    rd_kafka_DeleteRecords(handle_, &request, 1, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
    REQUIRE(event != nullptr);
    CHECK(rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
  }

 private:
  rd_kafka_t* handle_;
};

/// All that was read, and how often; and where to resume.
struct Reader {
  std::map<std::string, int> payloads;
  std::map<std::int32_t, std::int64_t> next;
  std::map<Reject, int> rejects;
  std::map<std::int32_t, SourcePosition> positions;

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
  Producer producer;
  for (int i = 0; i < count; ++i) {
    const std::string payload = prefix + std::to_string(i);
    producer.send(topic, i % partitions, payload);
    ++sent[payload];
  }
  producer.flush();
  return sent;
}

TEST_CASE("all partitions are read from the beginning, each in order, to the end") {
  if (!Broker::shared().here()) return;
  Broker::shared().must("topic whole --partitions 4");
  const auto sent = produce("whole", 50'000, 4);
  const auto source = make("whole");
  REQUIRE(source->start({}).ok());
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
  if (!Broker::shared().here()) return;
  const std::uint32_t seed = 17;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  Broker::shared().must("topic resumed --partitions 3");
  const std::string file = Broker::shared().folder() + "/lines.ndjson";
  std::map<std::string, int> sent;
  {
    std::ofstream out(file);
    for (int i = 0; i < 10'000; ++i) {
      const std::string line = R"({"user_id":"u)" + std::to_string(i % 50) + R"(","n":)" + std::to_string(i) + "}";
      out << line << "\n";
      ++sent[line];
    }
  }
  Broker::shared().must("produce resumed " + file + " --key user_id");
  Reader reader;
  for (int life = 0; life < 12; ++life) {
    // The source commits to the group as it goes; a life that is cut off before its last batch is stored must not be
    // misled by that.
    const auto source = make("resumed");
    const Status started = source->start(reader.resume());
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
  const Status started = source->start(reader.resume());
  REQUIRE_MESSAGE(started.ok(), started.to_string());
  reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
}

TEST_CASE("tombstones are passed over, and what is too long is handed out as such") {
  if (!Broker::shared().here()) return;
  Broker::shared().must("topic odd --partitions 1");
  Producer producer;
  producer.send("odd", 0, "first");
  producer.send("odd", 0, std::nullopt);
  producer.send("odd", 0, std::string(200'000, 'x'));
  producer.send("odd", 0, std::nullopt);
  producer.flush();
  const auto source = make("odd");
  REQUIRE(source->start({}).ok());
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads == std::map<std::string, int>{{"first", 1}, {std::string(100, 'x'), 1}});
  CHECK(reader.rejects == std::map<Reject, int>{{Reject::kOversized, 1}});
  CHECK(reader.positions.at(0).offset.value == 4);
}

TEST_CASE("a topic that is not there yet is waited for, and the message says what to do") {
  if (!Broker::shared().here()) return;
  const auto early = make("awaited");
  const Status missing = early->start({});
  CHECK(missing.code() == StatusCode::kUnavailable);
  CHECK(missing.message().find("create the topic") != std::string::npos);
  Broker::shared().must("topic awaited --partitions 2");
  produce("awaited", 10, 2);
  Status started;
  for (int i = 0; i < 100; ++i) {
    const auto source = make("awaited");
    started = source->start({});
    if (!started.ok()) continue;
    Reader reader;
    reader.read_to_end(*source);
    CHECK(reader.payloads.size() == 10);
    break;
  }
  CHECK_MESSAGE(started.ok(), started.to_string());
}

TEST_CASE("a position that was trimmed away is an error that names the gap") {
  if (!Broker::shared().here()) return;
  Broker::shared().must("topic trimmed --partitions 1");
  produce("trimmed", 100, 1);
  Producer().trim("trimmed", 0, 60);
  const std::vector<SourcePosition> stored{{Partition{0}, Offset{25}, ""}};
  const Status gap = make("trimmed")->start(stored);
  CHECK(gap.code() == StatusCode::kOutOfRange);
  CHECK(gap.message().find("35 records were trimmed") != std::string::npos);
  const std::vector<SourcePosition> beyond{{Partition{0}, Offset{130}, ""}};
  const Status ahead = make("trimmed")->start(beyond);
  CHECK(ahead.code() == StatusCode::kOutOfRange);
  CHECK(ahead.message().find("30 records that were read are gone") != std::string::npos);
  const auto source = make("trimmed");
  REQUIRE(source->start({}).ok());  // with no position of our own, the beginning is where the topic begins
  Reader reader;
  reader.read_to_end(*source);
  CHECK(reader.payloads.size() == 40);
}

TEST_CASE("a broker that dies and comes back costs time, not records") {
  if (!Broker::shared().here()) return;
  Broker::shared().must("topic survived --partitions 2");
  auto sent = produce("survived", 2'000, 2);
  const auto source = make("survived");
  REQUIRE(source->start({}).ok());
  Reader reader;
  RecordBatch batch;
  REQUIRE(source->poll(500, 5s, &batch).ok());
  reader.take(batch);
  Broker::shared().must("down --immediate");
  bool noticed = false;
  for (int i = 0; i < 300 && !noticed; ++i) {
    const Status polled = source->poll(500, 100ms, &batch);
    if (polled.ok()) reader.take(batch);
    noticed = polled.code() == StatusCode::kUnavailable;
  }
  CHECK(noticed);
  Broker::shared().must("up");
  sent.merge(produce("survived", 100, 2, "after"));
  while (reader.payloads.size() < sent.size()) reader.read_to_end(*source);
  CHECK(reader.payloads == sent);
}

TEST_CASE("options that cannot work are refused with the remedy, and secrets are not repeated") {
  KafkaSourceOptions bad;
  bad.brokers = "127.0.0.1:1";
  CHECK(make_kafka_source(bad, 100, {})->start({}).message().find("kafka.topic") != std::string::npos);
  bad.topic = "t";
  bad.properties = {{"enable.auto.commit", "true"}};
  CHECK(make_kafka_source(bad, 100, {})->start({}).code() == StatusCode::kInvalidArgument);
  bad.properties = {{"security.protocol", "hunter2"}};
  const Status refused = make_kafka_source(bad, 100, {})->start({});
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message().find("hunter2") == std::string::npos);
}

}  // namespace
