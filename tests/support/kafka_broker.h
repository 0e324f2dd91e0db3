#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace cairn::test {

/// A real broker for this program's tests: Apache Kafka, brought up by `tools/dev kafka` in a temporary folder when it
/// is first asked for, down and gone at the program's end.
class KafkaBroker {
 public:
  static KafkaBroker& shared();

  /// False when there can be no broker here (no Java, no Maven, jars not to be had), said loudly.
  [[nodiscard]] bool here() const;
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

  /// Runs `tools/dev kafka WORDS`; a failure fails the test.
  void must(const std::string& words) const;

 private:
  struct Answer {
    int exit_code;
    std::string output;
  };

  KafkaBroker();
  ~KafkaBroker();
  [[nodiscard]] Answer command(const std::string& words) const;

  TemporaryFolder folder_;
  std::string address_;
  std::string why_not_;
};

/// A client of the tests' own for what the tools do not do.
class KafkaClient {
 public:
  KafkaClient();
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  /// nullopt: a tombstone.
  void send(const std::string& topic, std::int32_t partition, std::optional<std::string> payload);
  void flush();

  /// Removes the records before `offset`, as retention does.
  void trim(const std::string& topic, std::int32_t partition, std::int64_t offset);
  /// Makes a topic of one partition with a setting of its own, such as compression.type.
  void make_topic(const std::string& topic, const std::string& setting, const std::string& value);
  /// Removes the topic; returns when the broker has forgotten it.
  void remove(const std::string& topic);
  /// Sends the payloads in one transaction, which is committed or given up.
  enum class Outcome { kCommitted, kAborted };
  static void send_in_transaction(const std::string& topic, std::int32_t partition,
                                  const std::vector<std::string>& payloads, Outcome outcome);

  /// Sends all payloads to partition 0 in one batch, packed with `codec`: gzip, snappy, lz4, zstd.
  static void send_packed(const std::string& topic, const std::string& codec, const std::vector<std::string>& payloads);

  /// Makes the topic grow to `count` partitions.
  void grow(const std::string& topic, std::size_t count);

 private:
  rd_kafka_t* handle_;
};

}  // namespace cairn::test
