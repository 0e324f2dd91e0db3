#pragma once

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "cairn/source_position.h"

namespace cairn::test {

/// Sends to a topic, one message at a time, and knows where each has come to stand. One thread.
class TopicProducer {
 public:
  TopicProducer(const std::string& brokers, std::string topic, std::int32_t partitions)
      : topic_(std::move(topic)), partitions_(partitions) {
    char why[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, &TopicProducer::delivered);
    rd_kafka_conf_set_opaque(conf, this);
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE_MESSAGE(handle_ != nullptr, why);
  }
  ~TopicProducer() { rd_kafka_destroy(handle_); }
  TopicProducer(const TopicProducer&) = delete;
  TopicProducer& operator=(const TopicProducer&) = delete;

  /// Returns when the brokers have it: the watermark of who reflects it.
  Watermark send(const std::string& key, const std::string& payload) {
    const auto partition =
        static_cast<std::int32_t>(std::hash<std::string>{}(key) % static_cast<std::size_t>(partitions_));
    offset_ = -1;
    REQUIRE(rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
    REQUIRE(rd_kafka_flush(handle_, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    REQUIRE(offset_ >= 0);
    return {"kafka", {Partition{partition}, Offset{offset_ + 1}, {}}};
  }

 private:
  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) static_cast<TopicProducer*>(self)->offset_ = message->offset;
  }

  const std::string topic_;
  const std::int32_t partitions_;
  rd_kafka_t* handle_ = nullptr;
  std::int64_t offset_ = -1;
};

}  // namespace cairn::test
