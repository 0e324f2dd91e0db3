// How long after an event was due to be produced an answer shows it, at 10,000 events a second, for every event: the
// engine holds the usual stream, a producer keeps the pace, a reader asks for features (Engine::get_features) every
// quarter of a millisecond and looks at the watermark in the answer. That an answer holds what its watermark claims is
// checked with one event in a hundred.
//
// A broker that was just started compiles itself for some seconds. So the pace is kept for half a second at a time,
// uncounted, until a plain consumer has everything as soon as it was sent.
//
// From Kafka (12 partitions, librdkafka's producer, linger.ms=5, five requests in
// flight as Java's has): beside it a consumer that only receives,
// fed in the same way. Through the API (Engine::ingest, ten events a call as long as it keeps up): from before the
// call, so that the event log's sync is in it.
#include <atomic>
#include <numeric>
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

std::size_t partition_of(const std::string& key) { return std::hash<std::string>{}(key) % kTopicPartitions; }

/// Keeps the pace. The n-th message that a partition is given is record n of it: the topic is new, and nobody else
/// writes to it.
class PacedProducer {
 public:
  PacedProducer(const std::string& brokers, const std::string& topic)
      : topic_(topic),
        producer_(make_kafka(RD_KAFKA_PRODUCER, brokers,
                             "compression.type=lz4 linger.ms=5 max.in.flight=5 socket.nagle.disable=true")) {
    // One message each, which the engine refuses: everything is connected before the pace begins.
    for (std::int32_t partition = 0; partition < kTopicPartitions; ++partition) {
      produce(producer_.get(), topic_.c_str(), partition, "warm", "{}");
    }
    flush();
  }

  std::vector<Sent> run(FreshEvents* events, std::size_t ticks) {
    std::vector<Sent> sent;
    sent.reserve(ticks * Pace::kTickEvents);
    const Pace pace{ticks, std::chrono::steady_clock::now()};
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

  /// Messages so far.
  [[nodiscard]] std::size_t sent() const {
    return static_cast<std::size_t>(std::accumulate(offsets_.begin(), offsets_.end(), std::int64_t{0}));
  }

 private:
  void flush() { CAIRN_CHECK(rd_kafka_flush(producer_.get(), 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR); }

  const std::string topic_;
  const KafkaHandle producer_;
  std::vector<std::int64_t> offsets_ = std::vector<std::int64_t>(kTopicPartitions, 1);
};

/// The floor: what the broker and the client take before anybody computes anything. It receives the same messages at
/// the same time.
class PlainReceiver {
 public:
  PlainReceiver(const std::string& brokers, const std::string& topic)
      : thread_([this, brokers, topic] { receive(brokers, topic); }) {}

  void await(std::size_t count) const {
    while (received_ < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  /// Ends it. Returns: how far it had come, moment by moment.
  [[nodiscard]] std::vector<Observation> end() {
    stop_ = true;
    thread_.join();
    return std::move(seen_);
  }

 private:
  void receive(const std::string& brokers, const std::string& topic) {
    PlainConsumer consumer(brokers, topic, kTopicPartitions);
    Observation now{{}, std::vector<std::int64_t>(kTopicPartitions, 0), ~std::uint64_t{0}};
    while (!stop_) {
      const std::size_t got = consumer.poll(1, [&](const rd_kafka_message_t& message) {
        now.watermarks[static_cast<std::size_t>(message.partition)] = message.offset + 1;
      });
      now.at = std::chrono::steady_clock::now();
      if (got > 0) seen_.push_back(now);
      received_ += got;
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::size_t> received_{0};
  std::vector<Observation> seen_;  ///< the thread's until end()
  std::thread thread_;
};

void warm_up(PacedProducer* producer, const PlainReceiver& receiver, FreshEvents* events) {
  constexpr int kRoundsMax = 40;
  receiver.await(producer->sent());
  for (int round = 0; round < kRoundsMax; ++round) {
    const SteadyTime start = std::chrono::steady_clock::now();
    static_cast<void>(producer->run(events, 500));
    receiver.await(producer->sent());
    if (seconds_since(start) < 0.55) return;
  }
  std::fprintf(stderr, "   the broker does not keep up on this machine; the figures tell of that\n");
}

struct KafkaDelays {
  std::vector<double> ours;
  std::vector<double> floor;
};

KafkaDelays kafka_delays(Engine& engine, const std::string& brokers, const std::string& topic, FreshEvents* events,
                         std::size_t ticks) {
  PacedProducer producer(brokers, topic);
  PlainReceiver receiver(brokers, topic);
  warm_up(&producer, receiver, events);
  must(engine.wait_caught_up(patient()));
  std::atomic<bool> stop{false};
  std::vector<Observation> seen;
  std::thread reader([&] { seen = observe(engine, kKafkaSource, kTopicPartitions, stop); });
  const std::vector<Sent> sent = producer.run(events, ticks);
  must(engine.wait_caught_up(patient()));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // one more answer
  stop = true;
  reader.join();
  receiver.await(producer.sent());
  return {delays(sent, seen), delays(sent, receiver.end())};
}

std::vector<Sent> ingest_at_pace(Engine& engine, FreshEvents* events, std::size_t ticks) {
  std::vector<Sent> sent;
  sent.reserve(ticks * Pace::kTickEvents);
  const Pace pace{ticks, std::chrono::steady_clock::now()};
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

std::vector<double> api_delays(Engine& engine, FreshEvents* events, std::size_t ticks) {
  std::atomic<bool> stop{false};
  std::vector<Observation> seen;
  std::thread reader([&] { seen = observe(engine, std::string(ingest::kApiSource), 1, stop); });
  const std::vector<Sent> sent = ingest_at_pace(engine, events, ticks);
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
    options.kafka = {.name = kKafkaSource, .brokers = kafka->address(), .topic = "fresh"};
  }
  const std::unique_ptr<Engine> engine = open_engine(options);
  must(engine->wait_caught_up(patient()));

  const std::size_t ticks = run.options.quick ? 3'000 : 20'000;
  FreshEvents events(data.size.users, data.size.places);
  if (kafka != nullptr) {
    const KafkaDelays delayed = kafka_delays(*engine, kafka->address(), "fresh", &events, ticks);
    add(run, "produced", delayed.ours, &delayed.floor);
  }
  add(run, "given to the API", api_delays(*engine, &events, ticks), nullptr);
  must(engine->close());
}

}  // namespace cairn::bench
