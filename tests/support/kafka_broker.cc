#include "tests/support/kafka_broker.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>

namespace cairn::test {

// ---- the broker ---------------------------------------------------------------------------------------------------

KafkaBroker& KafkaBroker::shared() {
  static KafkaBroker broker;
  return broker;
}

KafkaBroker::KafkaBroker() {
  // Without Java or the jars there is no broker to test with; with them one that does not come up is a failure.
  if (const Answer jars = command("fetch"); jars.exit_code != 0) {
    why_not_ = jars.output;
    return;
  }
  const Answer up = command("up");
  REQUIRE_MESSAGE(up.exit_code == 0, up.output);
  address_ = command("brokers").output;
  while (!address_.empty() && address_.back() == '\n') address_.pop_back();
}

KafkaBroker::~KafkaBroker() { static_cast<void>(command("down --purge")); }

bool KafkaBroker::here() const {
  if (why_not_.empty()) return true;
  skip("no Kafka broker here: " + why_not_);
  return false;
}

void KafkaBroker::must(const std::string& words) const {
  const Answer answer = command(words);
  REQUIRE_MESSAGE(answer.exit_code == 0, answer.output);
}

KafkaBroker::Answer KafkaBroker::command(const std::string& words) const {
  const std::string line =
      std::string(CAIRN_SOURCE_DIR) + "/tools/dev kafka " + words + " --dir " + folder_.path() + " 2>&1";
  std::FILE* pipe = ::popen(line.c_str(), "r");
  // No assertion: this runs at the program's end, too, when doctest is gone.
  if (pipe == nullptr) return {-1, "cannot run " + line};
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), got);
  return {::pclose(pipe), output};
}

// ---- the client ---------------------------------------------------------------------------------------------------

namespace {

/// What an admin request came to.
class AdminQueue {
 public:
  explicit AdminQueue(rd_kafka_t* handle) : queue_(rd_kafka_queue_new(handle)) {}
  ~AdminQueue() { rd_kafka_queue_destroy(queue_); }
  AdminQueue(const AdminQueue&) = delete;
  AdminQueue& operator=(const AdminQueue&) = delete;

  [[nodiscard]] rd_kafka_queue_t* get() const { return queue_; }
  void must_succeed() {
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue_, 30'000);
    REQUIRE(event != nullptr);
    CHECK(rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
  }

 private:
  rd_kafka_queue_t* queue_;
};

}  // namespace

KafkaClient::KafkaClient() {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 256> why{};
  rd_kafka_conf_set(conf, "bootstrap.servers", KafkaBroker::shared().address().c_str(), why.data(), why.size());
  rd_kafka_conf_set(conf, "compression.type", "lz4", why.data(), why.size());
  handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
  REQUIRE_MESSAGE(handle_ != nullptr, why.data());
}

KafkaClient::~KafkaClient() { rd_kafka_destroy(handle_); }

void KafkaClient::send(const std::string& topic, std::int32_t partition, std::optional<std::string> payload) {
  void* bytes = payload ? payload->data() : nullptr;
  const std::size_t size = payload ? payload->size() : 0;
  const std::string key = "k";
  while (rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                           RD_KAFKA_V_KEY(key.data(), key.size()), RD_KAFKA_V_VALUE(bytes, size),
                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    rd_kafka_poll(handle_, 10);
  }
}

void KafkaClient::flush() { REQUIRE(rd_kafka_flush(handle_, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR); }

void KafkaClient::trim(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
  rd_kafka_topic_partition_list_destroy(list);
  AdminQueue queue(handle_);
  rd_kafka_DeleteRecords(handle_, &request, 1, nullptr, queue.get());
  queue.must_succeed();
  rd_kafka_DeleteRecords_destroy(request);
}

void KafkaClient::make_topic(const std::string& topic, const std::string& setting, const std::string& value) {
  std::array<char, 256> why{};
  rd_kafka_NewTopic_t* request = rd_kafka_NewTopic_new(topic.c_str(), 1, 1, why.data(), why.size());
  REQUIRE_MESSAGE(request != nullptr, why.data());
  rd_kafka_NewTopic_set_config(request, setting.c_str(), value.c_str());
  AdminQueue queue(handle_);
  rd_kafka_CreateTopics(handle_, &request, 1, nullptr, queue.get());
  queue.must_succeed();
  rd_kafka_NewTopic_destroy(request);
}

void KafkaClient::remove(const std::string& topic) {
  rd_kafka_DeleteTopic_t* request = rd_kafka_DeleteTopic_new(topic.c_str());
  AdminQueue queue(handle_);
  rd_kafka_DeleteTopics(handle_, &request, 1, nullptr, queue.get());
  queue.must_succeed();
  rd_kafka_DeleteTopic_destroy(request);
}

void KafkaClient::send_in_transaction(const std::string& topic, std::int32_t partition,
                                      const std::vector<std::string>& payloads, Outcome outcome) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 256> why{};
  rd_kafka_conf_set(conf, "bootstrap.servers", KafkaBroker::shared().address().c_str(), why.data(), why.size());
  rd_kafka_conf_set(conf, "transactional.id", topic.c_str(), why.data(), why.size());
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
  REQUIRE_MESSAGE(producer != nullptr, why.data());
  const auto must = [](rd_kafka_error_t* error) { REQUIRE_MESSAGE(error == nullptr, rd_kafka_error_string(error)); };
  must(rd_kafka_init_transactions(producer, 30'000));
  must(rd_kafka_begin_transaction(producer));
  for (const std::string& payload : payloads) {
    REQUIRE(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  REQUIRE(rd_kafka_flush(producer, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  must(outcome == Outcome::kCommitted ? rd_kafka_commit_transaction(producer, 30'000)
                                      : rd_kafka_abort_transaction(producer, 30'000));
  rd_kafka_destroy(producer);
}

void KafkaClient::send_packed(const std::string& topic, const std::string& codec,
                              const std::vector<std::string>& payloads) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 256> why{};
  for (const auto& [name, value] : {std::pair{"bootstrap.servers", KafkaBroker::shared().address().c_str()},
                                    {"compression.type", codec.c_str()},
                                    {"message.max.bytes", "200000000"},
                                    {"batch.size", "200000000"},
                                    {"linger.ms", "60000"}}) {
    REQUIRE(rd_kafka_conf_set(conf, name, value, why.data(), why.size()) == RD_KAFKA_CONF_OK);
  }
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
  REQUIRE_MESSAGE(producer != nullptr, why.data());
  // The partition is known first, and nothing leaves before the flush: so that it is one batch on a slow machine, too.
  rd_kafka_topic_t* known = rd_kafka_topic_new(producer, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  REQUIRE(rd_kafka_metadata(producer, 0, known, &metadata, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_metadata_destroy(metadata);
  for (const std::string& payload : payloads) {
    REQUIRE(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  REQUIRE(rd_kafka_flush(producer, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_destroy(known);
  rd_kafka_destroy(producer);
}

void KafkaClient::grow(const std::string& topic, std::size_t count) {
  std::array<char, 256> why{};
  rd_kafka_NewPartitions_t* request = rd_kafka_NewPartitions_new(topic.c_str(), count, why.data(), why.size());
  REQUIRE_MESSAGE(request != nullptr, why.data());
  AdminQueue queue(handle_);
  rd_kafka_CreatePartitions(handle_, &request, 1, nullptr, queue.get());
  queue.must_succeed();
  rd_kafka_NewPartitions_destroy(request);
}

}  // namespace cairn::test
