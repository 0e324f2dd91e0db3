#include "streaming/kafka/config.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/kafka_properties.h"
#include "streaming/source.h"

namespace cairn::streaming::kafka {
namespace {

struct Setting {
  const char* name;
  const char* value;
};

/// What suits a reader that follows many partitions closely; the user may know better.
constexpr std::array kDefaults = {
    Setting{"client.id", "cairn"},
    // librdkafka 2.0.2 has no fetch.queue.backoff.ms: with the default of 100000 messages a fast reader empties the
    // queue and idles for up to a second.
    Setting{"queued.min.messages", "500000"},
    Setting{"fetch.wait.max.ms", "100"},  // also how long the end of a partition takes to be noticed
    Setting{"socket.timeout.ms", "15000"}, Setting{"socket.keepalive.enable", "true"},
    Setting{"reconnect.backoff.max.ms", "2000"},
    Setting{"topic.metadata.refresh.interval.ms", "10000"},  // new partitions; stuck leaders (librdkafka #4970)
};

/// How much memory a fetch may take, and what a batch of zstd may unfold to: a bomb of a few KiB costs no more. Whoever
/// sets one of these decides about both, because librdkafka refuses what does not fit together. What a partition may
/// bring to a fetch fits in any case, unless it is to be more than a whole fetch.
constexpr std::array kSizes = {Setting{"fetch.max.bytes", "12582912"},
                               Setting{"receive.message.max.bytes", "16777216"}};
constexpr std::int64_t kFetchBytesMax = 12'582'912;
constexpr std::array<std::string_view, 3> kSizeNames = {"fetch.max.bytes", "receive.message.max.bytes",
                                                        "message.max.bytes"};
constexpr std::array<std::string_view, 2> kPartitionSizeNames = {"fetch.message.max.bytes",
                                                                 "max.partition.fetch.bytes"};

bool decides_about_sizes(const std::map<std::string, std::string>& properties) {
  const auto is_set = [&](std::string_view name) { return properties.contains(std::string(name)); };
  const auto is_more_than_a_fetch = [&](std::string_view name) {
    const auto found = properties.find(std::string(name));
    return found != properties.end() && std::atoll(found->second.c_str()) > kFetchBytesMax;
  };
  return std::any_of(kSizeNames.begin(), kSizeNames.end(), is_set) ||
         std::any_of(kPartitionSizeNames.begin(), kPartitionSizeNames.end(), is_more_than_a_fetch);
}

/// Without the value, and so without librdkafka's sentence, which quotes it.
Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), nullptr, 0)) {
    case RD_KAFKA_CONF_OK:
      return ok_status();
    case RD_KAFKA_CONF_UNKNOWN:
      return invalid_argument("kafka.properties: librdkafka " + std::string(rd_kafka_version_str()) +
                              " has no property '" + name + "'; its CONFIGURATION.md lists them");
    default:
      return invalid_argument("kafka.properties: librdkafka does not take the value of '" + name +
                              "'; its CONFIGURATION.md says which it takes");
  }
}

Status set_user_properties(rd_kafka_conf_t* conf, const KafkaSourceOptions& options) {
  for (const auto& [name, value] : options.properties) {
    std::string_view why = refused_kafka_property(name);
    if (why.empty()) why = refused_kafka_value(name, value);
    if (!why.empty()) {
      return invalid_argument("kafka.properties." + name + ": may not be set: " + std::string(why));
    }
    CAIRN_RETURN_IF_ERROR(set(conf, name, value));
  }
  return ok_status();
}

}  // namespace

Result<Conf> make_conf(const KafkaSourceOptions& options) {
  if (options.brokers.empty()) return invalid_argument("kafka.brokers is empty; name a broker as host:port");
  if (options.topic.empty()) return invalid_argument("kafka.topic is empty; name the topic to read");
  Conf conf(rd_kafka_conf_new());
  for (const Setting& setting : kDefaults) CAIRN_RETURN_IF_ERROR(set(conf.get(), setting.name, setting.value));
  if (!decides_about_sizes(options.properties)) {
    for (const Setting& setting : kSizes) CAIRN_RETURN_IF_ERROR(set(conf.get(), setting.name, setting.value));
  }
  CAIRN_RETURN_IF_ERROR(set_user_properties(conf.get(), options));
  for (const RefusedKafkaProperty& ours : kRefusedKafkaProperties) {
    if (ours.set_to.empty()) continue;
    CAIRN_RETURN_IF_ERROR(set(conf.get(), std::string(ours.name), std::string(ours.set_to)));
  }
  CAIRN_RETURN_IF_ERROR(set(conf.get(), "bootstrap.servers", options.brokers));
  CAIRN_RETURN_IF_ERROR(set(conf.get(), "group.id", options.group.empty() ? "cairn" : options.group));
  return conf;
}

}  // namespace cairn::streaming::kafka

namespace cairn::streaming {

Status check_kafka_property(const std::string& name, const std::string& value) {
  const kafka::Conf scratch(rd_kafka_conf_new());
  return kafka::set(scratch.get(), name, value);
}

}  // namespace cairn::streaming
