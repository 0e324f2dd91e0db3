#include <string_view>

#include "engine/config/keys.h"

namespace cairn::config {
namespace {

/// A property that would take from Cairn what it decides itself, or run code of others inside the process.
struct RefusedProperty {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kOffsetsAreOurs = "offsets are stored with the state, and where to resume is decided there";
constexpr std::string_view kLoadsCode = "it would run code of others inside the process";
constexpr RefusedProperty kRefused[] = {
    {"allow.auto.create.topics", "a mistyped topic would be created instead of reported"},
    {"auto.commit.enable", kOffsetsAreOurs},
    {"auto.commit.interval.ms", kOffsetsAreOurs},
    {"auto.offset.reset", kOffsetsAreOurs},
    {"bootstrap.servers", "set kafka.brokers instead"},
    {"enable.auto.commit", kOffsetsAreOurs},
    {"enable.auto.offset.store", kOffsetsAreOurs},
    {"enable.partition.eof", "the end of a partition is watched by Cairn itself"},
    {"group.id", "set kafka.group instead"},
    {"group.instance.id", "partitions are assigned by hand, not by the group"},
    {"metadata.broker.list", "set kafka.brokers instead"},
    {"offset.store.method", kOffsetsAreOurs},
    {"offset.store.path", kOffsetsAreOurs},
    {"partition.assignment.strategy", "partitions are assigned by hand, not by the group"},
    {"plugin.library.paths", kLoadsCode},
    {"sasl.kerberos.kinit.cmd", kLoadsCode},
    {"ssl.engine.location", kLoadsCode},
};

}  // namespace

std::string_view refused_property(std::string_view name) {
  for (const RefusedProperty& refused : kRefused) {
    if (refused.name == name) return refused.why;
  }
  return {};
}

bool secret_property(std::string_view name) {
  if (name.ends_with(".location")) return false;  // the path of a key is none
  for (const std::string_view part : {"password", "secret", "pem", "token", "oauthbearer.config", "jaas"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace cairn::config
