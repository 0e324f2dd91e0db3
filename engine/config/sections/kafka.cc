#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/config/sections/complaints.h"
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

bool secret_property(std::string_view name) {
  if (name.ends_with(".location")) return false;  // the path of a key is none
  for (const std::string_view part : {"password", "secret", "pem", "token", "oauthbearer.config", "jaas"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace cairn::config
