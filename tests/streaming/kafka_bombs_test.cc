// Batches that unfold to far more than they weigh. A program of its own, because it looks at this process's memory.
#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
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

constexpr std::size_t kEventBytesMax = 4096;

/// Returns: 0 under sanitizers, which keep what is freed and more.
long resident_kib() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#endif
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return resident * 4;
}

/// The most memory this process had while this lives, and what it had before.
class Memory {
 public:
  Memory() {
    ::malloc_trim(0);
    before_ = resident_kib();
  }
  [[nodiscard]] long most_mib() const { return (most_.load() - before_) / 1024; }
  [[nodiscard]] long now_mib() const { return (resident_kib() - before_) / 1024; }

 private:
  long before_ = 0;
  std::atomic<long> most_{0};
  std::jthread watch_{[this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      most_ = std::max(most_.load(), resident_kib());
      std::this_thread::sleep_for(1ms);
    }
  }};
};

struct Found {
  std::map<std::string, int> payloads;
  std::map<Reject, int> rejects;
  std::string detail;  ///< of the last damaged batch
  std::int64_t next = 0;
};

/// Reads the topic's one partition from `start` to its end.
Found read(const std::string& topic, std::int64_t start = 0, const std::string& partition_bytes = "") {
  KafkaSourceOptions options;
  options.brokers = KafkaBroker::shared().address();
  options.topic = topic;
  options.properties = {{"fetch.wait.max.ms", "10"}};
  if (!partition_bytes.empty()) options.properties["fetch.message.max.bytes"] = partition_bytes;
  const auto source = make_kafka_source(options, kEventBytesMax, {});
  const SourcePosition position{Partition{0}, Offset{start}, ""};
  REQUIRE(begin(*source, std::span(&position, 1)).ok());
  Found found;
  RecordBatch batch;
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  do {
    const Status polled = source->poll(100, 100ms, &batch);
    REQUIRE_MESSAGE(polled.ok(), polled.to_string());
    for (const Record& record : batch.records) {
      if (record.reject != Reject::kNone) ++found.rejects[record.reject];
      if (record.reject == Reject::kNone) ++found.payloads[std::string(record.payload)];
      if (record.reject == Reject::kDamagedBatch) found.detail = record.detail;
    }
    for (const SourcePosition& at : batch.positions) found.next = at.offset.value;
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  } while (!batch.at_end);
  return found;
}

void send(const std::string& topic, const std::string& payload) {
  KafkaClient client;
  client.send(topic, 0, payload);
  client.flush();
}

/// A batch of `mib` MiB that weighs some hundred KiB or less.
std::vector<std::string> bomb(std::size_t mib) { return {mib / 20, std::string(20u << 20, '0')}; }

/// `count` bombs, each between two good records.
std::map<std::string, int> send_bombs(const std::string& topic, const std::string& codec, std::size_t mib, int count) {
  std::map<std::string, int> good;
  for (int i = 0; i < count; ++i) {
    const std::string before = "before " + std::to_string(i);
    send(topic, before);
    ++good[before];
    KafkaClient::send_packed(topic, codec, bomb(mib));
  }
  send(topic, "last");
  ++good["last"];
  return good;
}

TEST_CASE("batches that unfold to more than is allowed cost themselves, and memory stays bounded") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic bomb --partitions 1");
  const auto good = send_bombs("bomb", "zstd", 140, 10);
  const Memory memory;
  const Found found = read("bomb");
  CHECK(found.payloads == good);
  CHECK(found.rejects == std::map<Reject, int>{{Reject::kDamagedBatch, 10}});
  CHECK(found.detail.find("topic 'bomb', partition 0, offsets 73 to 79: ") != std::string::npos);
  CHECK(found.next == 81);
  INFO("most ", memory.most_mib(), " MiB");
  CHECK(memory.most_mib() < 64);

  // Also where somebody has said what a partition may bring to a fetch.
  const Memory with_smaller_fetches;
  CHECK(read("bomb", 56, "65536").rejects == std::map<Reject, int>{{Reject::kDamagedBatch, 3}});
  INFO("with smaller fetches ", with_smaller_fetches.most_mib(), " MiB");
  CHECK(with_smaller_fetches.most_mib() < 64);

  // A life that begins with the position in a batch gets there, too.
  const Found inside = read("bomb", 75);
  CHECK(inside.rejects == std::map<Reject, int>{{Reject::kDamagedBatch, 1}});
  CHECK(inside.payloads == std::map<std::string, int>{{"last", 1}});
}

TEST_CASE("what librdkafka does not bound is given back once it was read, and costs each record by itself") {
  if (!KafkaBroker::shared().here()) return;
  struct Codec {
    const char* name;
    std::size_t mib;  // so that the packed batch keeps under the broker's message.max.bytes
  };
  for (const Codec codec : {Codec{"gzip", 140}, Codec{"lz4", 140}, Codec{"snappy", 20}}) {
    INFO(std::string(codec.name));
    const std::string topic = std::string("unbounded-") + codec.name;
    KafkaBroker::shared().must("topic " + topic + " --partitions 1");
    const auto good = send_bombs(topic, codec.name, codec.mib, 3);
    const Memory memory;
    const Found found = read(topic);
    CHECK(found.payloads == good);
    CHECK(found.rejects == std::map<Reject, int>{{Reject::kOversized, 3 * static_cast<int>(codec.mib / 20)}});
    MESSAGE(std::string(codec.name), ": most ", memory.most_mib(), " MiB, then ", memory.now_mib(), " MiB");
    CHECK(memory.now_mib() < 64);
  }
}

TEST_CASE("fetches of one batch bring one bomb at a time") {
  if (!KafkaBroker::shared().here()) return;
  KafkaBroker::shared().must("topic one-by-one --partitions 1");
  const auto good = send_bombs("one-by-one", "gzip", 140, 3);
  const Memory memory;
  CHECK(read("one-by-one", 0, "65536").payloads == good);
  INFO("most ", memory.most_mib(), " MiB");
  CHECK(memory.most_mib() < 2 * 140);
}

TEST_CASE("a topic whose broker packs anew with zstd bounds bombs of every codec") {
  if (!KafkaBroker::shared().here()) return;
  for (const char* codec : {"gzip", "lz4"}) {
    INFO(std::string(codec));
    const std::string topic = std::string("packed-anew-") + codec;
    KafkaClient().make_topic(topic, "compression.type", "zstd");
    const auto good = send_bombs(topic, codec, 140, 3);
    const Memory memory;
    const Found found = read(topic);
    CHECK(found.payloads == good);
    CHECK(found.rejects == std::map<Reject, int>{{Reject::kDamagedBatch, 3}});
    INFO("most ", memory.most_mib(), " MiB");
    CHECK(memory.most_mib() < 64);
  }
}

}  // namespace
