// From a topic of a real broker on this machine (12 partitions, lz4) to features on the disk. The broker shares the
// cores. Beside it the fastest reader that librdkafka allows, which only counts messages.
#include "bench/ingest/cases.h"
#include "bench/ingest/run_engine.h"
#include "bench/ingest/run_topic.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

Cost run_counting(const std::string& brokers, const std::string& topic, const Data& data) {
  std::size_t seen = 0;
  std::size_t bytes = 0;
  const Cost cost = cost_of([&] {
    PlainConsumer consumer(brokers, topic, kTopicPartitions);
    while (seen < data.size.events) {
      seen += consumer.poll(1'000, [&](const rd_kafka_message_t& message) { bytes += message.len; });
    }
  });
  CAIRN_CHECK(seen == data.size.events && bytes + seen == data.bytes);  // a line's end is not sent
  return cost;
}

}  // namespace

Cost run_topic(const std::string& brokers, const std::string& topic, const Data& data) {
  const test::TemporaryFolder folder;
  EngineOptions options = with_places(folder.path(), data);
  options.kafka.brokers = brokers;
  options.kafka.topic = topic;
  return run_to_durable(options, data);
}

void kafka_case(IngestRun& run) {
  KafkaBroker* const kafka = run.kafka();
  if (kafka == nullptr) return;
  const Data& data = run.data();
  const std::string& topic = run.topic_of(data);
  Costs ours;
  Costs peers;
  for (std::size_t round = 0; round < run.rounds(3); ++round) {
    ours.add(run_topic(kafka->address(), topic, data));
    peers.add(run_counting(kafka->address(), topic, data));
  }
  const std::size_t events = data.size.events;
  const std::string peer = std::string("librdkafka ") + rd_kafka_version_str() + " consume_batch_queue, counts only";
  run.report.add({.name = "Kafka to durable features" + label(data.size),
                  .unit = "events/s",
                  .value = ours.rate(events),
                  .peer = Peer{peer, peers.rate(events)}});
  run.report.add({.name = "Kafka to durable features, processor time without the broker's",
                  .unit = "us/event",
                  .better = Better::kLess,
                  .value = ours.cpu_us_per_event(events),
                  .peer = Peer{peer, peers.cpu_us_per_event(events)}});
}

}  // namespace cairn::bench
