#pragma once

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <cstdint>
#include <string>

#include "cairn/source_position.h"

namespace cairn::test {

/// A topic of two partitions on librdkafka's mock of a cluster. One thread.
class MockTopic {
 public:
  static constexpr std::int32_t kPartitions = 2;

  MockTopic() {
    char why[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE(owner_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(owner_, 1);
    REQUIRE(cluster_ != nullptr);
    REQUIRE(rd_kafka_mock_topic_create(cluster_, "events", kPartitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
    conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof why);
    producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE(producer_ != nullptr);
  }
  ~MockTopic() {
    rd_kafka_destroy(producer_);
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(owner_);
  }
  MockTopic(const MockTopic&) = delete;
  MockTopic& operator=(const MockTopic&) = delete;

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  [[nodiscard]] static std::string name() { return "events"; }

  /// Returns: the watermark of who reflects it.
  Watermark send(const std::string& key, const std::string& payload) {
    const auto partition = static_cast<std::int32_t>(std::hash<std::string>{}(key) % kPartitions);
    REQUIRE(rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC("events"), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
    REQUIRE(rd_kafka_flush(producer_, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    return {"kafka", {Partition{partition}, Offset{++sent_[static_cast<std::size_t>(partition)]}, {}}};
  }

 private:
  rd_kafka_t* owner_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  rd_kafka_t* producer_ = nullptr;
  std::array<std::int64_t, kPartitions> sent_{};
};

}  // namespace cairn::test
