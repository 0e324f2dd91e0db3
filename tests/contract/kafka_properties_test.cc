// What the check of a configuration accepts, a start accepts: both are asked about the same properties.
#include "cairn/kafka_properties.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "engine/config/config.h"
#include "streaming/kafka/config.h"

namespace cairn {
namespace {

/// What `cairnd --check-config` says of one property; empty when it accepts it.
std::string said_by_check(const std::string& name, const std::string& value) {
  const std::string text =
      "[kafka]\nbrokers = \"127.0.0.1:9\"\ntopic = \"t\"\n[kafka.properties]\n\"" + name + "\" = '''" + value + "'''\n";
  const config::ConfigReport report = config::check_config(text, "c.toml", {}, {});
  return report.ok() ? "" : report.problems_text();
}

/// What the start of the source says of it.
std::string said_by_start(const std::string& name, const std::string& value) {
  KafkaSourceOptions options;
  options.brokers = "127.0.0.1:9";
  options.topic = "t";
  options.properties = {{name, value}};
  return streaming::kafka::make_conf(options).status().message();
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("a property that may not be set is refused by the check and by the start, for the same reason") {
  for (const RefusedKafkaProperty& refused : kRefusedKafkaProperties) {
    INFO(refused.name);
    const std::string expected =
        "kafka.properties." + std::string(refused.name) + ": may not be set: " + std::string(refused.why);
    CHECK(holds(said_by_check(std::string(refused.name), "x"), expected));
    CHECK(holds(said_by_start(std::string(refused.name), "x"), expected));
  }
}

TEST_CASE("what runs code of others is refused") {
  // From librdkafka's CONFIGURATION.md: everything that it loads or executes.
  for (const char* name :
       {"plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location", "ssl.engine.id", "ssl.providers"}) {
    INFO(name);
    CHECK_FALSE(said_by_check(name, "x").empty());
    CHECK_FALSE(said_by_start(name, "x").empty());
  }
  for (const char* value : {"x; touch /tmp/y", "$(x)", "`x`", "a b", "%{sasl.password}"}) {
    INFO(value);
    CHECK(holds(said_by_check("sasl.kerberos.principal", value), kafka_properties::kShellCharacters));
    CHECK(holds(said_by_start("sasl.kerberos.principal", value), kafka_properties::kShellCharacters));
  }
}

TEST_CASE("what is harmless passes both") {
  for (const auto& [name, value] : {std::pair{"socket.keepalive.enable", "true"}, std::pair{"fetch.wait.max.ms", "10"},
                                    std::pair{"sasl.kerberos.principal", "cairn/host.example@EXAMPLE.COM"},
                                    std::pair{"sasl.password", "; it is no command's argument"}}) {
    INFO(name);
    CHECK(said_by_check(name, value) == "");
    CHECK(said_by_start(name, value) == "");
  }
}

TEST_CASE("what Cairn sets itself, it sets to what the table says") {
  KafkaSourceOptions options;
  options.brokers = "127.0.0.1:9";
  options.topic = "t";
  const auto conf = streaming::kafka::make_conf(options);
  REQUIRE(conf.ok());
  for (const RefusedKafkaProperty& ours : kRefusedKafkaProperties) {
    if (ours.set_to.empty()) continue;
    INFO(ours.name);
    char value[64];
    std::size_t size = sizeof value;
    REQUIRE(rd_kafka_conf_get(conf->get(), std::string(ours.name).c_str(), value, &size) == RD_KAFKA_CONF_OK);
    CHECK(std::string_view(value) == ours.set_to);
  }
}

}  // namespace
}  // namespace cairn
