#pragma once

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdint>
#include <optional>
#include <string>

#include "tests/system/tiers/topic_producer.h"

namespace cairn::test {

/// A topic of two partitions on librdkafka's mock of a cluster. One thread.
class MockTopic {
 public:
  static constexpr std::int32_t kPartitions = 2;

  MockTopic() {
    char why[256];
    owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
    REQUIRE(owner_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(owner_, 1);
    REQUIRE(cluster_ != nullptr);
    REQUIRE(rd_kafka_mock_topic_create(cluster_, "events", kPartitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
    producer_.emplace(brokers(), name(), kPartitions);
  }
  ~MockTopic() {
    producer_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(owner_);
  }
  MockTopic(const MockTopic&) = delete;
  MockTopic& operator=(const MockTopic&) = delete;

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  [[nodiscard]] static std::string name() { return "events"; }

  /// Returns: the watermark of who reflects it.
  Watermark send(const std::string& key, const std::string& payload) { return producer_->send(key, payload); }

 private:
  rd_kafka_t* owner_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::optional<TopicProducer> producer_;
};

}  // namespace cairn::test
