#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cairn::bench {

/// Apache Kafka on this machine, through `tools/dev kafka`, in a temporary folder; down and gone with the object.
class KafkaBroker {
 public:
  /// Returns: nullptr without Java or the broker's jars, said on stderr.
  [[nodiscard]] static std::unique_ptr<KafkaBroker> start();
  ~KafkaBroker();
  /// Ends and removes a broker that was started while the temporary folder was `folder`; nothing without one.
  static void remove_from(const std::string& folder);
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  void make_topic(const std::string& name, int partitions) const;

 private:
  KafkaBroker() = default;

  std::string folder_;
  std::string address_;
};

/// A producer or a consumer of librdkafka with the properties given: "name=value", with blanks between them.
/// Stops the program when one is not taken.
struct KafkaDestroy {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaDestroy>;
[[nodiscard]] KafkaHandle make_kafka(rd_kafka_type_t type, const std::string& brokers, const std::string& properties);

/// Hands a message over, waiting while the queue is full. `partition` may be RD_KAFKA_PARTITION_UA: by the key.
void produce(rd_kafka_t* producer, const char* topic, std::int32_t partition, std::string_view key,
             std::string_view payload);

/// Sends each line of a file, keyed by its user_id as Java's clients place keys, compressed with lz4.
void produce_lines(const std::string& brokers, const std::string& topic, const std::string& path);

/// Every partition of a topic, read from the beginning by one queue, for whoever only looks at the messages.
class PlainConsumer {
 public:
  PlainConsumer(const std::string& brokers, const std::string& topic, int partitions);
  ~PlainConsumer();
  PlainConsumer(const PlainConsumer&) = delete;
  PlainConsumer& operator=(const PlainConsumer&) = delete;

  /// Calls `see` for each message of the next batch of at most 10,000, waiting at most `wait_ms`.
  template <class See>
  std::size_t poll(int wait_ms, See&& see) {
    const std::size_t got = take(wait_ms);
    for (std::size_t i = 0; i < got; ++i) see(*batch_[i]);
    release(got);
    return got;
  }

 private:
  static constexpr std::size_t kBatchMax = 10'000;
  std::size_t take(int wait_ms);
  void release(std::size_t count);

  KafkaHandle handle_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::unique_ptr<rd_kafka_message_t*[]> batch_;
};

}  // namespace cairn::bench
