// A Kafka source beside a bare consumer, both on the same topic of a real broker (Apache Kafka, brought up by
// tools/dev kafka in a temporary folder): 12 partitions, lz4.
//
// The peer is the least that reads the topic through librdkafka: rd_kafka_consume_batch_queue() of 10,000, each message
// counted and destroyed, with the fetch settings that Cairn has. It keeps no positions, copies no payload and checks no
// order. Wall-clock and CPU time (all threads of this process, librdkafka's included), medians of rounds in turn.
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/report.h"
#include "cairn/check.h"
#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kPartitions = 12;

void must(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// ---- the broker ---------------------------------------------------------------------------------------------------

struct Answer {
  int exit_code = -1;
  std::string output;
};

class Broker {
 public:
  Broker() {
    const Answer up = command("up");
    if (up.exit_code != 0) {
      std::fprintf(stderr, "SKIPPED: no Kafka broker can be started here:\n%s\n", up.output.c_str());
      return;
    }
    address_ = command("brokers").output;
    while (!address_.empty() && address_.back() == '\n') address_.pop_back();
  }
  ~Broker() { static_cast<void>(command("down --purge")); }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  [[nodiscard]] bool here() const { return !address_.empty(); }
  [[nodiscard]] const std::string& address() const { return address_; }
  void make_topic(const std::string& name) const {
    const Answer made = command("topic " + name + " --partitions " + std::to_string(kPartitions));
    CAIRN_CHECK_MSG(made.exit_code == 0, made.output);
  }

 private:
  [[nodiscard]] Answer command(const std::string& words) const {
    const std::string line =
        std::string(CAIRN_SOURCE_DIR) + "/tools/dev kafka " + words + " --dir " + folder_.path() + " 2>&1";
    std::FILE* pipe = ::popen(line.c_str(), "r");
    CAIRN_CHECK(pipe != nullptr);
    Answer answer;
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      answer.output.append(buffer.data(), got);
    }
    answer.exit_code = ::pclose(pipe);
    return answer;
  }

  test::TemporaryFolder folder_;
  std::string address_;
};

using Settings = std::vector<std::pair<std::string, std::string>>;

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy(client); }
};
using Handle = std::unique_ptr<rd_kafka_t, ClientDeleter>;

Handle make_client(rd_kafka_type_t type, const Settings& settings) {
  std::array<char, 256> why{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    CAIRN_CHECK_MSG(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK,
                    why.data());
  }
  Handle client(rd_kafka_new(type, conf, why.data(), why.size()));
  CAIRN_CHECK_MSG(client != nullptr, why.data());
  return client;
}

void send(rd_kafka_t* producer, const std::string& topic, std::int32_t partition, const std::string& payload) {
  while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                           RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    rd_kafka_poll(producer, 10);
  }
}

std::string event(std::size_t i) {
  char text[192];
  std::snprintf(text, sizeof text,
                R"({"user_id":"u%zu","place_id":"p%zu","type":"visit","ts":%zu,"lat":51.%06zu,"lon":-0.%06zu,)"
                R"("event_id":"e%zu"})",
                i * 7919 % 20'000, i * 104'729 % 20'000, 1'714'566'600'000 + i, i * 31 % 1'000'000, i * 37 % 1'000'000,
                i);
  return text;
}

void fill(const Broker& broker, const std::string& topic, std::size_t count) {
  broker.make_topic(topic);
  const Handle producer = make_client(
      RD_KAFKA_PRODUCER, {{"bootstrap.servers", broker.address()}, {"compression.type", "lz4"}, {"linger.ms", "50"}});
  for (std::size_t i = 0; i < count; ++i) send(producer.get(), topic, static_cast<int>(i % kPartitions), event(i));
  CAIRN_CHECK(rd_kafka_flush(producer.get(), 120'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

// ---- two readers --------------------------------------------------------------------------------------------------

KafkaSourceOptions source_options(const Broker& broker, const std::string& topic) {
  KafkaSourceOptions options;
  options.name = "bench";
  options.brokers = broker.address();
  options.topic = topic;
  options.group = "bench";
  return options;
}

/// The bare consumer of `topic`, assigned from `offset` on.
class BareConsumer {
 public:
  BareConsumer(const Broker& broker, const std::string& topic, std::int64_t offset)
      : client_(make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", broker.address()},
                                                {"group.id", "bare"},
                                                {"enable.auto.commit", "false"},
                                                {"check.crcs", "true"},
                                                {"queued.min.messages", "500000"},
                                                {"fetch.wait.max.ms", "100"},
                                                {"socket.nagle.disable", "true"}})),
        taken_(10'000) {
    rd_kafka_poll_set_consumer(client_.get());
    queue_ = rd_kafka_queue_get_consumer(client_.get());
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(kPartitions);
    for (int i = 0; i < kPartitions; ++i) rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = offset;
    CAIRN_CHECK(rd_kafka_assign(client_.get(), list) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
  }
  ~BareConsumer() {
    rd_kafka_queue_destroy(queue_);
    rd_kafka_consumer_close(client_.get());
  }
  BareConsumer(const BareConsumer&) = delete;
  BareConsumer& operator=(const BareConsumer&) = delete;

  /// Returns: how many messages came.
  std::size_t take() {
    const ssize_t got = rd_kafka_consume_batch_queue(queue_, 10, taken_.data(), taken_.size());
    std::size_t count = 0;
    for (ssize_t i = 0; i < got; ++i) {
      count += taken_[static_cast<std::size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
      rd_kafka_message_destroy(taken_[static_cast<std::size_t>(i)]);
    }
    return count;
  }

  /// Waits for one message and shows its payload to `see`.
  template <class See>
  void take_one(See&& see) {
    rd_kafka_message_t* const message = rd_kafka_consume_queue(queue_, 100);
    if (message == nullptr) return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) see({static_cast<const char*>(message->payload), message->len});
    rd_kafka_message_destroy(message);
  }

 private:
  Handle client_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::vector<rd_kafka_message_t*> taken_;
};

struct Spent {
  double wall = 0;
  double cpu = 0;
};

class Watch {
 public:
  [[nodiscard]] Spent spent() const {
    return {std::chrono::duration<double>(steady_clock::now() - start_).count(), cpu() - cpu_};
  }

 private:
  static double cpu() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

  steady_clock::time_point start_ = steady_clock::now();
  double cpu_ = cpu();
};

/// The partitions' leaders may not be known yet in a topic that was just made.
std::unique_ptr<streaming::Source> open_source(const Broker& broker, const std::string& topic) {
  while (true) {
    auto source = streaming::make_kafka_source(source_options(broker, topic), 64 << 10, {});
    const Status begun = test::begin(*source);
    if (begun.ok()) return source;
    CAIRN_CHECK_MSG(begun.code() == StatusCode::kUnavailable, begun.to_string());
  }
}

/// What `take` takes until it took `count`: from its first records on, so that connecting does not count. Returns: what
/// a record cost.
template <class Take>
Spent read_all(std::size_t count, Take&& take) {
  std::size_t first = 0;
  while (first == 0) first = take();
  const Watch watch;
  for (std::size_t read = first; read < count;) read += take();
  const Spent spent = watch.spent();
  const auto timed = static_cast<double>(count - first);
  return {spent.wall / timed, spent.cpu / timed};
}

Spent read_with_source(const Broker& broker, const std::string& topic, std::size_t count) {
  const auto source = open_source(broker, topic);
  streaming::RecordBatch batch;
  return read_all(count, [&] {
    must(source->poll(10'000, milliseconds(100), &batch));
    return batch.records.size();
  });
}

Spent read_bare(const Broker& broker, const std::string& topic, std::size_t count) {
  BareConsumer consumer(broker, topic, RD_KAFKA_OFFSET_BEGINNING);
  return read_all(count, [&] { return consumer.take(); });
}

void measure_rate(const bench::Report& report, const Broker& broker) {
  const std::size_t count = report.quick() ? 100'000 : 2'000'000;
  fill(broker, "rate", count);
  std::vector<double> wall[2];
  std::vector<double> cpu[2];
  for (std::size_t round = 0; round <= (report.quick() ? 1U : 7U); ++round) {
    const Spent spent[2] = {read_with_source(broker, "rate", count), read_bare(broker, "rate", count)};
    for (int i = 0; i < 2 && round > 0; ++i) {  // the first round warms up
      wall[i].push_back(spent[i].wall);
      cpu[i].push_back(spent[i].cpu);
    }
  }
  const std::string label = " messages=" + std::to_string(count) + " partitions=" + std::to_string(kPartitions);
  const auto rate = [](const std::vector<double>& times) { return 1.0 / median(times); };
  const std::string peer = "rd_kafka_consume_batch_queue, counting";
  report.add({.name = "kafka source" + label,
              .unit = "records/s",
              .value = rate(wall[0]),
              .peer = bench::Peer{peer, rate(wall[1])}});
  report.add({.name = "kafka source, per CPU second" + label,
              .unit = "records/s",
              .value = rate(cpu[0]),
              .peer = bench::Peer{peer, rate(cpu[1])}});
}

// ---- latency ------------------------------------------------------------------------------------------------------

/// Sends the time of sending, 10,000 times a second.
void send_times(const Broker& broker, const std::string& topic, std::size_t count) {
  const Handle producer = make_client(
      RD_KAFKA_PRODUCER, {{"bootstrap.servers", broker.address()}, {"compression.type", "lz4"}, {"linger.ms", "2"}});
  const auto start = steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 10 == 0) std::this_thread::sleep_until(start + milliseconds(i / 10));
    const std::string now = std::to_string(steady_clock::now().time_since_epoch().count());
    send(producer.get(), topic, static_cast<int>(i % kPartitions), now);
  }
  CAIRN_CHECK(rd_kafka_flush(producer.get(), 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

double ms_since(std::string_view sent) {
  std::int64_t then = 0;
  std::from_chars(sent.data(), sent.data() + sent.size(), then);
  return 1e-6 * static_cast<double>(steady_clock::now().time_since_epoch().count() - then);
}

std::vector<double> latencies_of_source(streaming::Source& source, std::size_t count) {
  std::vector<double> ms;
  streaming::RecordBatch batch;
  while (ms.size() < count) {
    must(source.poll(10'000, milliseconds(100), &batch));
    for (const streaming::Record& record : batch.records) ms.push_back(ms_since(record.payload));
  }
  return ms;
}

std::vector<double> latencies_of_bare(BareConsumer& consumer, std::size_t count) {
  std::vector<double> ms;
  while (ms.size() < count) consumer.take_one([&](std::string_view payload) { ms.push_back(ms_since(payload)); });
  return ms;
}

/// Both read the same messages at the same time, so that what else the machine does meets both.
void measure_latency(const bench::Report& report, const Broker& broker) {
  const std::size_t count = report.quick() ? 10'000 : 100'000;
  broker.make_topic("latency");
  const auto source = open_source(broker, "latency");
  BareConsumer consumer(broker, "latency", 0);
  const std::jthread producer([&] { send_times(broker, "latency", count); });
  std::vector<double> bare;
  std::jthread beside([&] { bare = latencies_of_bare(consumer, count); });
  std::vector<double> ours = latencies_of_source(*source, count);
  beside.join();
  for (std::vector<double>* ms : {&ours, &bare}) {
    ms->erase(ms->begin(), ms->begin() + static_cast<std::ptrdiff_t>(count / 10));  // connections are made meanwhile
    std::sort(ms->begin(), ms->end());
  }
  for (const std::size_t percent : {50, 99}) {
    report.add({.name = "produced (linger.ms=2) to polled, 10,000 events/s, p" + std::to_string(percent),
                .unit = "ms",
                .better = bench::Better::kLess,
                .value = ours[ours.size() * percent / 100],
                .peer = bench::Peer{"rd_kafka_consume_queue, one by one", bare[bare.size() * percent / 100]}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("kafka", argc, argv);
  const Broker broker;
  if (!broker.here()) return 0;
  measure_rate(report, broker);
  measure_latency(report, broker);
  return 0;
}
