#pragma once

#include <algorithm>
#include <array>
#include <string_view>

// Which of librdkafka's properties kafka.properties may not set. The check of a configuration and the Kafka source both
// ask here, so that what the check accepts, a start accepts.

namespace cairn {

/// A property of librdkafka that is not the user's to set.
struct RefusedKafkaProperty {
  std::string_view name;
  std::string_view why;  ///< follows "may not be set: "
  /// What Cairn sets it to for every consumer; empty when Cairn leaves it alone or takes its value from an option.
  std::string_view set_to;
};

namespace kafka_properties {

inline constexpr std::string_view kOffsetsAreOurs =
    "offsets are stored with the state, and where to resume is decided there";
inline constexpr std::string_view kAssignedByHand = "partitions are assigned by hand, not by the group";
inline constexpr std::string_view kLoadsCode = "it would run code of others inside the process";
inline constexpr std::string_view kShellCharacters =
    "librdkafka puts it into a shell command: it may hold letters, digits and _ . / @ : - only";

}  // namespace kafka_properties

/// All of them, by name. Whatever runs code of others is among them, however rarely it is used.
inline constexpr std::array kRefusedKafkaProperties = {
    RefusedKafkaProperty{"allow.auto.create.topics", "a mistyped topic would be created instead of reported", "false"},
    RefusedKafkaProperty{"auto.commit.enable", kafka_properties::kOffsetsAreOurs, ""},
    RefusedKafkaProperty{"auto.commit.interval.ms", kafka_properties::kOffsetsAreOurs, ""},
    // The default skips silently to the end of a partition whose records were trimmed.
    RefusedKafkaProperty{"auto.offset.reset", kafka_properties::kOffsetsAreOurs, "error"},
    RefusedKafkaProperty{"bootstrap.servers", "set kafka.brokers instead", ""},
    RefusedKafkaProperty{"check.crcs", "records are always checked, or damage would be counted", "true"},
    // librdkafka #4616.
    RefusedKafkaProperty{"client.rack", "reading from followers can hang where one lacks an offset", ""},
    RefusedKafkaProperty{"enable.auto.commit", kafka_properties::kOffsetsAreOurs, "false"},
    RefusedKafkaProperty{"enable.auto.offset.store", kafka_properties::kOffsetsAreOurs, "false"},
    RefusedKafkaProperty{"enable.partition.eof", "the end of a partition is watched by Cairn itself", "true"},
    RefusedKafkaProperty{"group.id", "set kafka.group instead", ""},
    RefusedKafkaProperty{"group.instance.id", kafka_properties::kAssignedByHand, ""},
    RefusedKafkaProperty{"metadata.broker.list", "set kafka.brokers instead", ""},
    RefusedKafkaProperty{"offset.store.method", kafka_properties::kOffsetsAreOurs, ""},
    RefusedKafkaProperty{"offset.store.path", kafka_properties::kOffsetsAreOurs, ""},
    RefusedKafkaProperty{"partition.assignment.strategy", kafka_properties::kAssignedByHand, ""},
    RefusedKafkaProperty{"plugin.library.paths", kafka_properties::kLoadsCode, ""},
    RefusedKafkaProperty{"sasl.kerberos.kinit.cmd", kafka_properties::kLoadsCode, ""},
    RefusedKafkaProperty{"socket.nagle.disable", "requests always leave at once", "true"},  // librdkafka #4986
    RefusedKafkaProperty{"ssl.engine.id", kafka_properties::kLoadsCode, ""},
    RefusedKafkaProperty{"ssl.engine.location", kafka_properties::kLoadsCode, ""},
    // OpenSSL loads a provider's library from the path that its name gives.
    RefusedKafkaProperty{"ssl.providers", kafka_properties::kLoadsCode, ""},
};

/// Why kafka.properties may not set `name`, whatever the value.
/// Returns: empty when it may.
[[nodiscard]] constexpr std::string_view refused_kafka_property(std::string_view name) noexcept {
  for (const RefusedKafkaProperty& refused : kRefusedKafkaProperties) {
    if (refused.name == name) return refused.why;
  }
  return {};
}

/// Why `name` may be set, but not to `value`: librdkafka makes a shell command of some values (kinit's arguments), and
/// what a shell reads as more than a word would run.
/// Returns: empty when it may.
[[nodiscard]] constexpr std::string_view refused_kafka_value(std::string_view name, std::string_view value) noexcept {
  if (!name.starts_with("sasl.kerberos.")) return {};
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./@:-").find(c) != std::string_view::npos;
  };
  return std::all_of(value.begin(), value.end(), is_word) ? std::string_view{} : kafka_properties::kShellCharacters;
}

}  // namespace cairn
