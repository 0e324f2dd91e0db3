// Against librdkafka's mock of a cluster, which answers requests with the errors that it is told to.
#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "streaming/source.h"
#include "tests/support/begin_source.h"

namespace cairn::streaming {
namespace {

using namespace std::chrono_literals;

// Kafka's numbers of the requests (kafka.apache.org/protocol).
enum ApiKey : std::int16_t { kFetch = 1, kListOffsets = 2, kMetadata = 3, kOffsetCommit = 8, kFindCoordinator = 10 };

constexpr int kPartitions = 4;
constexpr int kBrokers = 3;
constexpr char kTopic[] = "mocked";

class MockCluster {
 public:
  MockCluster() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_conf_set(conf, "client.id", "mock", why, sizeof why);
    owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE(owner_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(owner_, kBrokers);
    REQUIRE(cluster_ != nullptr);
    REQUIRE(rd_kafka_mock_topic_create(cluster_, kTopic, kPartitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ~MockCluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(owner_);
  }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

  void fail(ApiKey request, rd_kafka_resp_err_t error, std::size_t times) {
    const std::vector<rd_kafka_resp_err_t> errors(times, error);
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }
  void forget_failures() {
    for (const ApiKey request : {kFetch, kListOffsets, kMetadata, kOffsetCommit, kFindCoordinator}) {
      rd_kafka_mock_clear_request_errors(cluster_, request);
    }
  }
  void set_leader(std::int32_t partition, std::int32_t broker) {
    rd_kafka_mock_partition_set_leader(cluster_, kTopic, partition, broker);
  }
  void set_down(std::int32_t broker, bool down) {
    down ? rd_kafka_mock_broker_set_down(cluster_, broker) : rd_kafka_mock_broker_set_up(cluster_, broker);
  }

  /// Sends records of the round to every partition.
  std::map<std::string, int> produce(int round, int each) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), why, sizeof why);
    rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE(producer != nullptr);
    std::map<std::string, int> sent;
    for (int i = 0; i < each * kPartitions; ++i) {
      std::string payload = std::to_string(round) + "-" + std::to_string(i);
      REQUIRE(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(kTopic), RD_KAFKA_V_PARTITION(i % kPartitions),
                                RD_KAFKA_V_VALUE(payload.data(), payload.size()),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
      ++sent[payload];
    }
    REQUIRE(rd_kafka_flush(producer, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
    return sent;
  }

 private:
  rd_kafka_t* owner_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

/// Reads as a consumer does: after any error a new source goes on from the stored positions.
class Consumer {
 public:
  explicit Consumer(const MockCluster& cluster) {
    options_.name = "mock";
    options_.brokers = cluster.brokers();
    options_.topic = kTopic;
    options_.properties = {{"fetch.wait.max.ms", "10"},
                           {"fetch.error.backoff.ms", "10"},
                           {"reconnect.backoff.max.ms", "100"},
                           {"topic.metadata.refresh.interval.ms", "200"}};
  }

  /// Until everything in `sent` has come, and a minute at most.
  void read_until(const std::map<std::string, int>& sent) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (got.size() < sent.size()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      const Status done = read_once();
      if (done.ok()) continue;
      const bool gone_over = is_retryable(done.code()) || done.code() == StatusCode::kFailedPrecondition;
      CHECK_MESSAGE(gone_over, done.to_string());
      errors.push_back(done.to_string());
      source_.reset();
    }
    CHECK(got == sent);
  }

  std::map<std::string, int> got;
  std::vector<std::string> errors;

 private:
  Status read_once() {
    if (!source_) {
      source_ = make_kafka_source(options_, 4096, {});
      std::vector<SourcePosition> stored;
      for (const auto& [partition, position] : positions_) stored.push_back(position);
      CAIRN_RETURN_IF_ERROR(test::begin(*source_, stored));
      REQUIRE(source_->obstacles().empty());
    }
    RecordBatch batch;
    CAIRN_RETURN_IF_ERROR(source_->poll(37, 100ms, &batch));
    for (const Record& record : batch.records) ++got[std::string(record.payload)];
    for (const SourcePosition& position : batch.positions) positions_[position.partition] = position;
    REQUIRE(source_->obstacles().empty());
    return ok_status();
  }

  KafkaSourceOptions options_;
  std::unique_ptr<Source> source_;
  std::map<Partition, SourcePosition> positions_;
};

TEST_CASE("whatever a broker answers for a while, every record comes once") {
  constexpr rd_kafka_resp_err_t kErrors[] = {RD_KAFKA_RESP_ERR__TRANSPORT,
                                             RD_KAFKA_RESP_ERR_UNKNOWN,
                                             RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                             RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                             RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                                             RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                             RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                             RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
                                             RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
                                             RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
                                             RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                             RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                             RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                             RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                             RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
                                             RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH};
  MockCluster cluster;
  Consumer consumer(cluster);
  auto sent = cluster.produce(0, 20);
  consumer.read_until(sent);
  int round = 0;
  for (const ApiKey request : {kFetch, kListOffsets, kMetadata, kOffsetCommit, kFindCoordinator}) {
    for (const rd_kafka_resp_err_t error : kErrors) {
      INFO("request ", static_cast<int>(request), ", error ", std::string(rd_kafka_err2name(error)));
      sent.merge(cluster.produce(++round, 10));  // first: the producer asks for metadata, too
      cluster.fail(request, error, 3);
      consumer.read_until(sent);
      cluster.forget_failures();
    }
  }
}

TEST_CASE("leaders that move and brokers that go and come back cost time, not records") {
  MockCluster cluster;
  Consumer consumer(cluster);
  auto sent = cluster.produce(0, 50);
  for (int round = 1; round <= 6; ++round) {
    INFO("round ", round);
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      cluster.set_leader(partition, 1 + (round + partition) % kBrokers);
    }
    sent.merge(cluster.produce(round, 20));
    const std::int32_t broker = 1 + round % kBrokers;
    cluster.set_down(broker, true);
    cluster.set_down(broker, false);
    consumer.read_until(sent);
  }
}

}  // namespace
}  // namespace cairn::streaming
