// Servers by name: names with several addresses, names that cannot be looked up for a while, servers that move. Nothing
// is restarted.
#include <doctest/doctest.h>
#include <netdb.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/forwarder.h"
#include "tests/support/host_names.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/postgres.h"
#include "tests/support/skip.h"
#include "tests/support/temporary_folder.h"

namespace cairn::test {
namespace {

constexpr auto kPatience = std::chrono::minutes(2);

std::string visit(const std::string& user, int number) {
  return R"({"user_id":")" + user + R"(","place_id":"p)" + std::to_string(number % 5) + R"(","type":"visit","ts":)" +
         std::to_string(1'714'521'600'000 + number) + "}";
}

void await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool has_ipv6() {
  try {
    const Forwarder listener("::1", "0", "1");
    return true;
  } catch (const std::runtime_error&) {
    skip_part("no IPv6 here");
    return false;
  }
}

/// The test cluster behind a name of its own, and an engine that writes to it.
class Site {
 public:
  explicit Site(std::string name) : name_(std::move(name)), local_dsn_(TestCluster::shared().fresh_database()) {
    options_.state_dir = folder_.path() + "/state";
    options_.state.free_bytes_min = 0;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::unique_ptr<Forwarder> listen_on(const std::string& address) {
    const TestCluster& cluster = TestCluster::shared();
    auto forwarder =
        std::make_unique<Forwarder>(address, port_, cluster.socket_folder() + "/.s.PGSQL." + cluster.port());
    port_ = forwarder->port();
    return forwarder;
  }
  void open() {
    options_.sql.dsn = local_dsn_ + " host=" + name_ + " port=" + port_;
    auto opened = Engine::open(options_);
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    engine_ = *std::move(opened);
  }
  void hand_in(int count) {
    for (; count > 0; --count) {
      const std::string event = visit("u", handed_in_++);
      REQUIRE(engine_->ingest({}, std::vector<std::string_view>{event}).ok());
    }
  }
  void check_all_written() {
    const Status caught_up = engine_->wait_caught_up(CallContext::within(kPatience));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
    CHECK(PgClient(local_dsn_).value("SELECT count(*) FROM cairn.user_interactions") == std::to_string(handed_in_));
  }
  /// Waits until the writer stands still. Returns: why.
  ConsumerTrouble await_trouble() {
    ConsumerTrouble trouble;
    await([&] {
      for (const ConsumerHealth& one : engine_->status({}).health) {
        if (one.name() == "sql:api" && !one.troubles.empty()) trouble = one.troubles[0];
      }
      return !trouble.reason.empty();
    });
    return trouble;
  }

 private:
  const std::string name_;
  const std::string local_dsn_;
  std::string port_ = "0";
  TemporaryFolder folder_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  int handed_in_ = 0;
};

TEST_CASE("a database whose name has two addresses is reached at the one where somebody listens") {
  if (!has_ipv6()) return;
  for (const char* listening : {"127.0.0.1", "::1"}) {
    INFO(std::string(listening));
    Site site("both.cairn.test");
    HostNames::set(site.name(), {"::1", "127.0.0.1"});
    const auto forwarder = site.listen_on(listening);
    site.open();
    site.hand_in(20);
    site.check_all_written();
    CHECK(forwarder->connections() > 0);
  }
}

TEST_CASE("a database whose name cannot be looked up is waited for, from the start and later, and nothing is lost") {
  Site site("away.cairn.test");
  auto forwarder = site.listen_on("127.0.0.1");
  HostNames::fail(site.name(), EAI_AGAIN);
  site.open();
  site.hand_in(10);
  for (const int error : {EAI_AGAIN, EAI_NONAME}) {
    INFO(std::string(::gai_strerror(error)));
    HostNames::fail(site.name(), error);
    forwarder.reset();  // and with it every connection
    site.hand_in(10);
    const ConsumerTrouble trouble = site.await_trouble();
    CHECK(trouble.reason.find(site.name()) != std::string::npos);
    CHECK_FALSE(trouble.blocked);  // it may pass
    forwarder = site.listen_on("127.0.0.1");
    HostNames::set(site.name(), {"127.0.0.1"});
    site.check_all_written();
  }
}

TEST_CASE("a database that moves to another address is followed by its name") {
  Site site("moving.cairn.test");
  HostNames::set(site.name(), {"127.0.0.2"});
  auto forwarder = site.listen_on("127.0.0.2");
  site.open();
  site.hand_in(20);
  site.check_all_written();
  forwarder.reset();
  const auto elsewhere = site.listen_on("127.0.0.3");
  HostNames::set(site.name(), {"127.0.0.3"});
  site.hand_in(20);
  site.check_all_written();
  CHECK(elsewhere->connections() > 0);
}

/// Lets the broker say that it is reached under `name` and `port`.
void advertise(const std::string& name, const std::string& port) {
  const KafkaBroker& broker = KafkaBroker::shared();
  broker.must("down");
  const std::string path = broker.folder() + "/server.properties";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::string properties = text.str();
  const std::string key = "advertised.listeners=PLAINTEXT://";
  const std::size_t begin = properties.find(key) + key.size();
  properties.replace(begin, properties.find('\n', begin) - begin, name + ":" + port);
  std::ofstream(path) << properties;
  broker.must("up");
}

TEST_CASE("brokers are looked for by name until the name means something, and followed when they move") {
  if (!KafkaBroker::shared().here()) return;
  const std::string name = "kafka.cairn.test";
  const std::string broker_port = KafkaBroker::shared().address().substr(KafkaBroker::shared().address().find(':') + 1);
  KafkaBroker::shared().must("topic named --partitions 1");
  HostNames::fail(name, EAI_AGAIN);
  auto forwarder = std::make_unique<Forwarder>("127.0.0.2", "0", broker_port);
  const std::string port = forwarder->port();
  advertise(name, port);

  const TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.kafka.brokers = name + ":" + port;
  options.kafka.topic = "named";
  options.kafka.properties = {{"fetch.wait.max.ms", "10"}};
  auto opened = Engine::open(options);
  REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
  const auto engine = *std::move(opened);
  const auto trouble = [&]() -> std::string {
    for (const ConsumerHealth& one : engine->status({}).health) {
      if (one.source == "kafka" && !one.troubles.empty()) return one.troubles[0].reason;
    }
    return "";
  };
  await([&] { return !trouble().empty(); });
  CHECK_MESSAGE(trouble().find(name) != std::string::npos, trouble());

  int sent = 0;
  const auto send = [&](int count) {
    KafkaClient client;
    for (; count > 0; --count) client.send("named", 0, visit("k", sent++));
    client.flush();
  };
  HostNames::set(name, {"127.0.0.2"});
  send(50);
  await([&] { return engine->status({}).events_applied == 50; });

  forwarder.reset();
  HostNames::fail(name, EAI_NONAME);
  await([&] { return !trouble().empty(); });
  forwarder = std::make_unique<Forwarder>("127.0.0.3", port, broker_port);
  HostNames::set(name, {"127.0.0.3"});
  send(50);
  await([&] { return engine->status({}).events_applied == 100; });
  CHECK(forwarder->connections() > 0);
}

}  // namespace
}  // namespace cairn::test
