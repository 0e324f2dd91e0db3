#include "bench/ingest/kafka.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/ingest/shell.h"
#include "cairn/check.h"

namespace cairn::bench {
namespace {

std::string tool(const std::string& words, const std::string& folder) {
  return std::string(CAIRN_SOURCE_DIR) + "/tools/dev kafka " + words + " --dir '" + folder + "'";
}

std::string_view user_of(std::string_view line) {
  constexpr std::string_view kBefore = "\"user_id\":\"";
  const std::size_t at = line.find(kBefore);
  CAIRN_CHECK(at != std::string_view::npos);
  const std::size_t begin = at + kBefore.size();
  return line.substr(begin, line.find('"', begin) - begin);
}

}  // namespace

// ---- the broker ---------------------------------------------------------------------------------------------------

std::unique_ptr<KafkaBroker> KafkaBroker::start() {
  std::unique_ptr<KafkaBroker> broker(new KafkaBroker);
  broker->folder_ = (std::filesystem::temp_directory_path() / "kafka").string();
  if (const ShellAnswer jars = shell(tool("fetch", broker->folder_)); jars.status != 0) {
    std::fprintf(stderr, "SKIPPED: no Kafka broker here: %s", jars.output.c_str());
    return nullptr;
  }
  const ShellAnswer up = shell(tool("up", broker->folder_));
  CAIRN_CHECK_MSG(up.status == 0, up.output);
  std::istringstream(shell(tool("brokers", broker->folder_)).output) >> broker->address_;
  return broker;
}

KafkaBroker::~KafkaBroker() {
  if (!address_.empty()) static_cast<void>(shell(tool("down --purge", folder_)));
}

void KafkaBroker::remove_from(const std::string& folder) {
  // One that is only just starting cannot be ended: its record is written when it is up.
  const auto is_starting = [&] {
    return std::filesystem::exists(folder + "/kafka") && !std::filesystem::exists(folder + "/kafka/broker");
  };
  for (int tenths = 0; tenths < 300 && is_starting(); ++tenths) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (std::filesystem::exists(folder + "/kafka")) static_cast<void>(shell(tool("down --purge", folder + "/kafka")));
}

void KafkaBroker::make_topic(const std::string& name, int partitions) const {
  const ShellAnswer made = shell(tool("topic " + name + " --partitions " + std::to_string(partitions), folder_));
  CAIRN_CHECK_MSG(made.status == 0, made.output);
}

// ---- clients ------------------------------------------------------------------------------------------------------

KafkaHandle make_kafka(rd_kafka_type_t type, const std::string& brokers, const std::string& properties) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 256> why{};
  std::istringstream in("bootstrap.servers=" + brokers + " " + properties);
  for (std::string property; in >> property;) {
    const std::size_t equals = property.find('=');
    const auto set = rd_kafka_conf_set(conf, property.substr(0, equals).c_str(), property.substr(equals + 1).c_str(),
                                       why.data(), why.size());
    CAIRN_CHECK_MSG(set == RD_KAFKA_CONF_OK, why.data());
  }
  rd_kafka_t* handle = rd_kafka_new(type, conf, why.data(), why.size());
  CAIRN_CHECK_MSG(handle != nullptr, why.data());
  return KafkaHandle(handle);
}

void produce(rd_kafka_t* producer, const char* topic, std::int32_t partition, std::string_view key,
             std::string_view payload) {
  while (true) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.data(), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    CAIRN_CHECK_MSG(error == RD_KAFKA_RESP_ERR__QUEUE_FULL, rd_kafka_err2str(error));
    rd_kafka_poll(producer, 10);
  }
}

void produce_lines(const std::string& brokers, const std::string& topic, const std::string& path) {
  const KafkaHandle producer = make_kafka(RD_KAFKA_PRODUCER, brokers,
                                          "compression.type=lz4 linger.ms=50 batch.size=1000000 "
                                          "queue.buffering.max.messages=500000 partitioner=murmur2_random");
  std::ifstream in(path);
  std::size_t sent = 0;
  for (std::string line; std::getline(in, line);) {
    produce(producer.get(), topic.c_str(), RD_KAFKA_PARTITION_UA, user_of(line), line);
    if (++sent % 10'000 == 0) rd_kafka_poll(producer.get(), 0);
  }
  CAIRN_CHECK(rd_kafka_flush(producer.get(), 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

PlainConsumer::PlainConsumer(const std::string& brokers, const std::string& topic, int partitions)
    : handle_(make_kafka(RD_KAFKA_CONSUMER, brokers,
                         "group.id=plain enable.auto.commit=false enable.auto.offset.store=false "
                         "auto.offset.reset=earliest queued.min.messages=500000 fetch.wait.max.ms=100")),
      batch_(std::make_unique<rd_kafka_message_t*[]>(kBatchMax)) {
  rd_kafka_poll_set_consumer(handle_.get());
  queue_ = rd_kafka_queue_get_consumer(handle_.get());
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(partitions);
  for (int partition = 0; partition < partitions; ++partition) {
    rd_kafka_topic_partition_list_add(all, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  CAIRN_CHECK(rd_kafka_assign(handle_.get(), all) == RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(all);
}

PlainConsumer::~PlainConsumer() {
  rd_kafka_queue_destroy(queue_);
  rd_kafka_consumer_close(handle_.get());
}

std::size_t PlainConsumer::take(int wait_ms) {
  const ssize_t got = rd_kafka_consume_batch_queue(queue_, wait_ms, batch_.get(), kBatchMax);
  CAIRN_CHECK(got >= 0);
  for (ssize_t i = 0; i < got; ++i) {
    CAIRN_CHECK_MSG(batch_[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_message_errstr(batch_[i]));
  }
  return static_cast<std::size_t>(got);
}

void PlainConsumer::release(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) rd_kafka_message_destroy(batch_[i]);
}

}  // namespace cairn::bench
