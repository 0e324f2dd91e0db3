#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/api_record.h"
#include "streaming/event_log.h"
#include "streaming/source.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/memory_source.h"
#include "tests/support/temporary_folder.h"

// The sources that the contract is checked on. Each twin can be appended to, and makes as many lives of a reader as a
// test wants.
namespace cairn::streaming {

struct FileTwin {
  [[nodiscard]] static bool here() { return true; }
  [[nodiscard]] static std::vector<Partition> partitions() { return {Partition{3}}; }

  FileTwin() { folder.write("events", ""); }
  void append(Partition, std::span<const std::string> payloads) const {
    std::ofstream out(folder / "events", std::ios::app);
    for (const std::string& payload : payloads) out << payload << '\n';
    REQUIRE(out.flush().good());
  }
  [[nodiscard]] std::unique_ptr<Source> source() const {
    return make_file_source({.name = "twin", .path = folder / "events", .follow = true}, Partition{3}, 4096, {});
  }

  test::TemporaryFolder folder;
};

struct LogTwin {
  [[nodiscard]] static bool here() { return true; }
  [[nodiscard]] static std::vector<Partition> partitions() { return {Partition{0}}; }

  LogTwin() {
    auto opened = open_event_log({.path = folder / "log", .segment_bytes = 2000, .free_bytes_min = 0, .log = {}});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    log = *std::move(opened);
  }
  void append(Partition, std::span<const std::string> payloads) const {
    // Refused ones: of these the payload comes back.
    std::vector<std::string> records(payloads.size());
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      append_refused_record(Reject::kMalformedJson, "no event", payloads[i], &records[i]);
    }
    const std::vector<std::string_view> views(records.begin(), records.end());
    REQUIRE(log->append(views).ok());
  }
  [[nodiscard]] std::unique_ptr<Source> source() const { return make_log_source("twin", *log, types); }

  test::TemporaryFolder folder;
  InteractionTypes types;
  std::unique_ptr<EventLog> log;
};

struct MemoryTwin {
  static constexpr std::array kPartitions = {Partition{0}, Partition{2}, Partition{7}};
  [[nodiscard]] static bool here() { return true; }
  [[nodiscard]] static std::vector<Partition> partitions() { return {kPartitions.begin(), kPartitions.end()}; }

  void append(Partition partition, std::span<const std::string> payloads) {
    for (const std::string& payload : payloads) topic.append(partition, payload);
  }
  [[nodiscard]] std::unique_ptr<Source> source() { return topic.source(); }

  test::MemoryTopic topic{"twin", kPartitions};
};

/// A topic of its own for each test.
struct KafkaTwin {
  [[nodiscard]] static bool here() { return test::KafkaBroker::shared().here(); }
  [[nodiscard]] static std::vector<Partition> partitions() { return {Partition{0}, Partition{1}, Partition{2}}; }

  KafkaTwin() {
    static int made = 0;
    topic = "twin-" + std::to_string(++made);
    test::KafkaBroker::shared().must("topic " + topic + " --partitions 3");
  }
  void append(Partition partition, std::span<const std::string> payloads) {
    for (const std::string& payload : payloads) client.send(topic, partition.value, payload);
    client.flush();
  }
  [[nodiscard]] std::unique_ptr<Source> source() const {
    KafkaSourceOptions options;
    options.name = "twin";
    options.brokers = test::KafkaBroker::shared().address();
    options.topic = topic;
    options.properties = {{"fetch.wait.max.ms", "10"}};
    return make_kafka_source(options, 4096, {});
  }

  std::string topic;
  test::KafkaClient client;
};

}  // namespace cairn::streaming
