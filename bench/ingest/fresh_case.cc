// How long after an event was due to be produced an answer shows it, at 10,000 events a second, for every event: the
// engine holds the usual stream, a producer keeps the pace, a reader asks for features (Engine::get_features) every
// quarter of a millisecond and looks at the watermark in the answer. That an answer holds what its watermark claims is
// checked with one event in a hundred.
//
// From Kafka (12 partitions, librdkafka's producer with linger.ms=1): beside it a consumer that only receives, fed in
// the same way. Through the API (Engine::ingest, ten events a call as long as it keeps up): from before the call, so
// that the event log's sync is in it.
#include <atomic>
#include <thread>

#include "bench/ingest/cases.h"
#include "bench/ingest/fresh_stages.h"
#include "bench/ingest/run_engine.h"
#include "bench/ingest/run_topic.h"
#include "engine/ingest/sink.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr const char* kKafkaSource = "kafka";

std::size_t ticks(const IngestRun& run) { return run.options.quick ? 3'000 : 20'000; }

std::size_t partition_of(const std::string& key) { return std::hash<std::string>{}(key) % kTopicPartitions; }

/// Keeps the pace. The n-th message that a partition is given is record n of it: the topic is new, and nobody else
/// writes to it.
class PacedProducer {
 public:
  PacedProducer(const std::string& brokers, const std::string& topic)
      : topic_(topic),
        producer_(
            make_kafka(RD_KAFKA_PRODUCER, brokers, "compression.type=lz4 linger.ms=1 socket.nagle.disable=true")) {
    // One message each, which the engine refuses: everything is connected before the pace begins.
    for (std::int32_t partition = 0; partition < kTopicPartitions; ++partition) {
      produce(producer_.get(), topic_.c_str(), partition, "warm", "{}");
    }
    flush();
  }

  std::vector<Sent> run(FreshEvents* events, std::size_t count_of_ticks) {
    std::vector<Sent> sent;
    sent.reserve(count_of_ticks * Pace::kTickEvents);
    const Pace pace{count_of_ticks, std::chrono::steady_clock::now()};
    for (std::size_t tick = 0; tick < pace.ticks; ++tick) {
      std::this_thread::sleep_until(pace.due(tick));
      for (std::size_t i = 0; i < Pace::kTickEvents; ++i) {
        const FreshEvents::Event event = events->next();
        const std::size_t partition = partition_of(event.user);
        produce(producer_.get(), topic_.c_str(), static_cast<std::int32_t>(partition), event.user, event.json);
        sent.push_back({partition, ++offsets_[partition], pace.due(tick), event.probe});
      }
      rd_kafka_poll(producer_.get(), 0);
    }
    flush();
    return sent;
  }

 private:
  void flush() { CAIRN_CHECK(rd_kafka_flush(producer_.get(), 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR); }

  const std::string topic_;
  const KafkaHandle producer_;
  std::vector<std::int64_t> offsets_ = std::vector<std::int64_t>(kTopicPartitions, 1);
};

/// The floor: what the broker and the client take before anybody computes anything.
std::vector<double> plain_delays(const std::string& brokers, const std::string& topic, FreshEvents* events,
                                 std::size_t count_of_ticks) {
  PacedProducer producer(brokers, topic);
  std::atomic<std::size_t> received{0};
  std::atomic<bool> stop{false};
  std::vector<Observation> seen;
  std::thread receiver([&] {
    PlainConsumer consumer(brokers, topic, kTopicPartitions);
    Observation now{{}, std::vector<std::int64_t>(kTopicPartitions, 0), ~std::uint64_t{0}};
    while (!stop) {
      const std::size_t got = consumer.poll(1, [&](const rd_kafka_message_t& message) {
        now.watermarks[static_cast<std::size_t>(message.partition)] = message.offset + 1;
      });
      now.at = std::chrono::steady_clock::now();
      if (got > 0) seen.push_back(now);
      received += got;
    }
  });
  const auto await = [&](std::size_t count) {
    while (received < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  await(kTopicPartitions);
  const std::vector<Sent> sent = producer.run(events, count_of_ticks);
  await(kTopicPartitions + sent.size());
  stop = true;
  receiver.join();
  return delays(sent, seen);
}

std::vector<double> kafka_delays(Engine& engine, const std::string& brokers, const std::string& topic,
                                 FreshEvents* events, std::size_t count_of_ticks) {
  PacedProducer producer(brokers, topic);
  must(engine.wait_caught_up(patient()));
  std::atomic<bool> stop{false};
  std::vector<Observation> seen;
  std::thread reader([&] { seen = observe(engine, kKafkaSource, kTopicPartitions, stop); });
  const std::vector<Sent> sent = producer.run(events, count_of_ticks);
  must(engine.wait_caught_up(patient()));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // one more answer
  stop = true;
  reader.join();
  return delays(sent, seen);
}

std::vector<Sent> ingest_at_pace(Engine& engine, FreshEvents* events, std::size_t count_of_ticks) {
  std::vector<Sent> sent;
  sent.reserve(count_of_ticks * Pace::kTickEvents);
  const Pace pace{count_of_ticks, std::chrono::steady_clock::now()};
  for (std::size_t tick = 0; tick < pace.ticks;) {
    std::this_thread::sleep_until(pace.due(tick));
    const std::size_t first = sent.size();
    std::vector<std::string> texts;
    // All that are due by now go into one call, as a caller that was held up would send them.
    for (; tick < pace.ticks && pace.due(tick) <= std::chrono::steady_clock::now(); ++tick) {
      for (std::size_t i = 0; i < Pace::kTickEvents; ++i) {
        FreshEvents::Event event = events->next();
        texts.push_back(std::move(event.json));
        sent.push_back({0, 0, pace.due(tick), event.probe});
      }
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const IngestAck ack = must(engine.ingest({}, views));
    CAIRN_CHECK(ack.accepted == texts.size());
    for (std::size_t i = first; i < sent.size(); ++i) sent[i].visible_at = ack.reflected_at.position.offset.value;
  }
  return sent;
}

std::vector<double> api_delays(Engine& engine, FreshEvents* events, std::size_t count_of_ticks) {
  std::atomic<bool> stop{false};
  std::vector<Observation> seen;
  std::thread reader([&] { seen = observe(engine, std::string(ingest::kApiSource), 1, stop); });
  const std::vector<Sent> sent = ingest_at_pace(engine, events, count_of_ticks);
  must(engine.wait_caught_up(patient()));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  stop = true;
  reader.join();
  return delays(sent, seen);
}

void add(IngestRun& run, const std::string& from, const std::vector<double>& ours, const std::vector<double>* floor) {
  for (const double share : {0.5, 0.99}) {
    const std::string at = share < 0.9 ? ", p50" : ", p99";
    std::optional<Peer> peer;
    if (floor != nullptr) peer = Peer{"a consumer that only receives" + at, quantile(*floor, share)};
    run.report.add({.name = from + " to readable at 10000 events/s, n=" + std::to_string(ours.size()) + at,
                    .unit = "ms",
                    .better = Better::kLess,
                    .value = quantile(ours, share),
                    .peer = peer});
  }
}

}  // namespace

void fresh_case(IngestRun& run) {
  const Data& data = run.data();
  KafkaBroker* const kafka = run.kafka();
  const test::TemporaryFolder folder;
  EngineOptions options = with_places(folder.path(), data);
  options.files = {{"stream", data.events_path, true}};
  FeatureViewSpec probe;
  probe.name = kProbeView;
  probe.aggregate = Aggregate::kMax;
  probe.events = {{"visit", "value"}};
  options.feature_views = {probe};
  if (kafka != nullptr) {
    kafka->make_topic("fresh", kTopicPartitions);
    kafka->make_topic("floor", kTopicPartitions);
    options.kafka = {.name = kKafkaSource, .brokers = kafka->address(), .topic = "fresh"};
  }
  const std::unique_ptr<Engine> engine = open_engine(options);
  must(engine->wait_caught_up(patient()));

  FreshEvents events(data.size.users, data.size.places);
  if (kafka != nullptr) {
    const std::vector<double> floor = plain_delays(kafka->address(), "floor", &events, ticks(run) / 2);
    add(run, "produced", kafka_delays(*engine, kafka->address(), "fresh", &events, ticks(run)), &floor);
  }
  add(run, "given to the API", api_delays(*engine, &events, ticks(run)), nullptr);
  must(engine->close());
}

}  // namespace cairn::bench
