#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/config/sections/complaints.h"
#include "engine/config/sections/on_gap.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

std::string topic_complaint(const Value& value) {
  const std::string& topic = std::get<std::string>(value);
  if (topic.empty() || (matches(topic, 249, "aA0_.-", "aA0_.-") && topic != "." && topic != "..")) return {};
  return quoted(topic) + " must have at most 249 letters, digits, '.', '_' or '-', as Kafka demands of a topic";
}

/// A port must be there: without one librdkafka would take 9092 and say nothing.
std::string brokers_complaint(const Value& value) {
  std::string_view rest = std::get<std::string>(value);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view broker = rest.substr(0, comma);
    const std::size_t colon = broker.rfind(':');
    const std::string_view port = colon == std::string_view::npos ? "" : broker.substr(colon + 1);
    const bool good = colon != 0 && colon != std::string_view::npos && !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!good) return quoted(broker) + " must be \"host:port\"; several are separated by commas";
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {};
}

}  // namespace

Section kafka_section() {
  return {
      "kafka",
      "A Kafka topic of interactions, all its partitions.",
      {
          make_key<Config>(CAIRN_AT(engine.kafka.brokers),
                           {.name = "brokers",
                            .type = KeyType::kText,
                            .doc = "Addresses to start from, separated by commas. Empty: no Kafka.",
                            .example = "\"kafka-1:9092,kafka-2:9092\"",
                            .complaint = brokers_complaint}),
          make_key<Config>(CAIRN_AT(engine.kafka.topic), {.name = "topic",
                                                          .type = KeyType::kText,
                                                          .doc = "The topic; needed when brokers are given.",
                                                          .example = "\"interactions\"",
                                                          .complaint = topic_complaint}),
          make_key<Config>(CAIRN_AT(engine.kafka.group),
                           {.name = "group",
                            .type = KeyType::kText,
                            .doc = "Consumer group that offsets are reported to, for lag tools. It is never read: "
                                   "the offsets that count are stored with the state.",
                            .complaint = source_name_complaint}),
          make_key<Config>(CAIRN_AT(engine.kafka.name),
                           {.name = "name",
                            .type = KeyType::kText,
                            .doc = "Name of the source. Offsets are stored under it: a new name reads the topic "
                                   "from its beginning.",
                            .complaint = source_name_complaint}),
          make_choice<Config>(
              CAIRN_AT(engine.kafka.on_gap), on_gap_words(),
              {.name = "on_gap",
               .doc = "When retention took records before they were read. stop: their partition waits for `cairn "
                      "consumer accept-gap`. accept: it is read on behind them, and they are counted. A topic that was "
                      "made anew waits in any case, since its events may be those that were counted."}),
          make_key<Config>(CAIRN_AT(engine.kafka.required),
                           {.name = "required",
                            .type = KeyType::kBool,
                            .doc = "Whether /readyz fails while features cannot be read from the topic until "
                                   "somebody mends something. A broker that is away for a while is no such thing."}),
      }};
}

OpenTable kafka_properties_table() {
  return {"kafka",
          kPropertiesTable,
          "Properties of librdkafka, by its own names, quoted. A password is better kept in a file: "
          "\"sasl.password_file\".",
          {"#\"fetch.wait.max.ms\" = 100", "#\"security.protocol\" = \"SASL_SSL\""}};
}

namespace {

// librdkafka 2.0's own, less those that hold secrets, commands or code. Sorted.
constexpr std::string_view kShownProperties[] = {"acks",
                                                 "allow.auto.create.topics",
                                                 "api.version.fallback.ms",
                                                 "api.version.request",
                                                 "api.version.request.timeout.ms",
                                                 "auto.commit.enable",
                                                 "auto.commit.interval.ms",
                                                 "auto.offset.reset",
                                                 "batch.num.messages",
                                                 "batch.size",
                                                 "bootstrap.servers",
                                                 "broker.address.family",
                                                 "broker.address.ttl",
                                                 "broker.version.fallback",
                                                 "check.crcs",
                                                 "client.dns.lookup",
                                                 "client.id",
                                                 "client.rack",
                                                 "client.software.name",
                                                 "compression.codec",
                                                 "compression.level",
                                                 "compression.type",
                                                 "connections.max.idle.ms",
                                                 "coordinator.query.interval.ms",
                                                 "debug",
                                                 "delivery.report.only.error",
                                                 "delivery.timeout.ms",
                                                 "enable.auto.commit",
                                                 "enable.auto.offset.store",
                                                 "enable.gapless.guarantee",
                                                 "enable.idempotence",
                                                 "enable.partition.eof",
                                                 "enable.random.seed",
                                                 "enable.sasl.oauthbearer.unsecure.jwt",
                                                 "enable.sparse.connections",
                                                 "enable.ssl.certificate.verification",
                                                 "fetch.error.backoff.ms",
                                                 "fetch.max.bytes",
                                                 "fetch.message.max.bytes",
                                                 "fetch.min.bytes",
                                                 "fetch.queue.backoff.ms",
                                                 "fetch.wait.max.ms",
                                                 "group.id",
                                                 "group.instance.id",
                                                 "group.protocol.type",
                                                 "heartbeat.interval.ms",
                                                 "isolation.level",
                                                 "linger.ms",
                                                 "log.connection.close",
                                                 "log.queue",
                                                 "log.thread.name",
                                                 "log_level",
                                                 "max.in.flight",
                                                 "max.in.flight.requests.per.connection",
                                                 "max.partition.fetch.bytes",
                                                 "max.poll.interval.ms",
                                                 "message.copy.max.bytes",
                                                 "message.max.bytes",
                                                 "message.send.max.retries",
                                                 "message.timeout.ms",
                                                 "metadata.broker.list",
                                                 "metadata.max.age.ms",
                                                 "metadata.request.timeout.ms",
                                                 "offset.store.method",
                                                 "offset.store.sync.interval.ms",
                                                 "partition.assignment.strategy",
                                                 "partitioner",
                                                 "produce.offset.report",
                                                 "queue.buffering.backpressure.threshold",
                                                 "queue.buffering.max.kbytes",
                                                 "queue.buffering.max.messages",
                                                 "queue.buffering.max.ms",
                                                 "queued.max.messages.kbytes",
                                                 "queued.min.messages",
                                                 "queuing.strategy",
                                                 "receive.message.max.bytes",
                                                 "reconnect.backoff.jitter.ms",
                                                 "reconnect.backoff.max.ms",
                                                 "reconnect.backoff.ms",
                                                 "request.required.acks",
                                                 "request.timeout.ms",
                                                 "retries",
                                                 "retry.backoff.ms",
                                                 "sasl.kerberos.keytab",
                                                 "sasl.kerberos.min.time.before.relogin",
                                                 "sasl.kerberos.principal",
                                                 "sasl.kerberos.service.name",
                                                 "sasl.mechanism",
                                                 "sasl.mechanisms",
                                                 "sasl.oauthbearer.client.id",
                                                 "sasl.oauthbearer.method",
                                                 "sasl.oauthbearer.scope",
                                                 "sasl.username",
                                                 "security.protocol",
                                                 "session.timeout.ms",
                                                 "socket.blocking.max.ms",
                                                 "socket.connection.setup.timeout.ms",
                                                 "socket.keepalive.enable",
                                                 "socket.max.fails",
                                                 "socket.nagle.disable",
                                                 "socket.receive.buffer.bytes",
                                                 "socket.send.buffer.bytes",
                                                 "socket.timeout.ms",
                                                 "ssl.ca.certificate.stores",
                                                 "ssl.ca.location",
                                                 "ssl.certificate.location",
                                                 "ssl.cipher.suites",
                                                 "ssl.crl.location",
                                                 "ssl.curves.list",
                                                 "ssl.endpoint.identification.algorithm",
                                                 "ssl.key.location",
                                                 "ssl.keystore.location",
                                                 "ssl.sigalgs.list",
                                                 "statistics.interval.ms",
                                                 "sticky.partitioning.linger.ms",
                                                 "test.mock.broker.rtt",
                                                 "test.mock.num.brokers",
                                                 "topic.blacklist",
                                                 "topic.metadata.propagation.max.ms",
                                                 "topic.metadata.refresh.fast.cnt",
                                                 "topic.metadata.refresh.fast.interval.ms",
                                                 "topic.metadata.refresh.interval.ms",
                                                 "topic.metadata.refresh.sparse",
                                                 "transaction.timeout.ms",
                                                 "transactional.id"};

}  // namespace

bool shown_property(std::string_view name) {
  return std::binary_search(std::begin(kShownProperties), std::end(kShownProperties), name);
}

bool secret_property(std::string_view name) {
  if (name.ends_with(".location")) return false;  // the path of a key is none
  for (const std::string_view part : {"password", "secret", "pem", "token", "oauthbearer.config", "jaas"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace cairn::config
