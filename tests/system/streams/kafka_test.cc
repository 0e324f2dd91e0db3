// A topic of a real broker that loses records, is trimmed and made anew, read by a whole engine into both of its
// stores.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"

namespace cairn::test {
namespace {

constexpr auto kPatience = std::chrono::minutes(3);

std::vector<std::string> visits(const std::string& user, int count) {
  std::vector<std::string> events;
  for (int i = 0; i < count; ++i) {
    events.push_back(R"({"user_id":")" + user + R"(","place_id":"p)" + std::to_string(i % 5) +
                     R"(","type":"visit","ts":)" + std::to_string(1'714'521'600'000 + i) + "}");
  }
  return events;
}

/// An engine that reads one topic into its features and PostgreSQL.
struct Site {
  explicit Site(const std::string& topic, int partitions = 1) {
    KafkaBroker::shared().must("topic " + topic + " --partitions " + std::to_string(partitions));
    options.state_dir = folder.path() + "/state";
    options.state.free_bytes_min = 0;
    options.sql.dsn = TestCluster::shared().fresh_database();
    options.kafka.brokers = KafkaBroker::shared().address();
    options.kafka.topic = topic;
    options.kafka.properties = {{"fetch.wait.max.ms", "10"}, {"topic.metadata.refresh.interval.ms", "200"}};
    open();
  }

  void open() {
    auto opened = Engine::open(options);
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    engine = *std::move(opened);
  }
  [[nodiscard]] std::vector<ConsumerHealth> health() const {
    std::vector<ConsumerHealth> of_kafka;
    for (const ConsumerHealth& one : engine->status({}).health) {
      if (one.source == "kafka") of_kafka.push_back(one);
    }
    return of_kafka;
  }
  template <class Condition>
  void await(Condition of_both) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      const auto both = health();
      if (std::all_of(both.begin(), both.end(), of_both)) return;
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void check_all(std::uint64_t events) const {
    const Status caught_up = engine->wait_caught_up(CallContext::within(kPatience));
    REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
    const EngineStatus status = engine->status({});
    CHECK(status.ready());
    CHECK(status.events_applied == events);
    PgClient client(options.sql.dsn);
    CHECK(client.value("SELECT count(*) FROM cairn.user_interactions") == std::to_string(events));
    for (const ConsumerStatus& one : status.consumers) {
      if (one.source != "kafka") continue;
      REQUIRE(one.end_offset.has_value());
      CHECK(one.position.offset == *one.end_offset);  // no lag, also behind a transaction's marker
      CHECK(one.at_end);
    }
  }

  TemporaryFolder folder;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
};

void send(const std::string& topic, const std::vector<std::string>& events, int partition = 0) {
  KafkaClient client;
  for (const std::string& event : events) client.send(topic, partition, event);
  client.flush();
}

bool is_blocked(const ConsumerHealth& one) { return one.blocked(); }

TEST_CASE("a topic made anew blocks its consumers, which read all of the new one once somebody accepts that") {
  if (!KafkaBroker::shared().here()) return;
  Site site("anew");
  KafkaClient::send_in_transaction("anew", 0, visits("before", 100), KafkaClient::Outcome::kCommitted);
  KafkaClient::send_in_transaction("anew", 0, visits("never", 10), KafkaClient::Outcome::kAborted);
  site.check_all(100);

  KafkaClient().remove("anew");
  site.await(is_blocked);
  CHECK_FALSE(site.engine->status({}).ready());
  CHECK(site.health().at(0).troubles.at(0).reason.find("create the topic") != std::string::npos);
  KafkaBroker::shared().must("topic anew --partitions 1");
  send("anew", visits("after", 250));
  CHECK(site.engine->retry_consumer({}, "kafka").ok());
  const auto holds_partition = [](const ConsumerHealth& one) {
    return one.blocked() && one.troubles[0].partition.has_value();
  };
  site.await(holds_partition);
  CHECK_FALSE(site.engine->status({}).ready());
  const ConsumerTrouble trouble = site.health().at(0).troubles.at(0);
  CHECK(trouble.gap);
  CHECK(trouble.partition == Partition{0});
  CHECK(trouble.reason.find("made anew") != std::string::npos);
  CHECK(site.engine->status({}).events_applied == 100);

  // Also after a restart nothing of it is read.
  site.engine.reset();
  site.open();
  site.await(holds_partition);
  CHECK(site.engine->status({}).events_applied == 100);
  REQUIRE(site.engine->accept_gap({}, "kafka").ok());
  site.await([](const ConsumerHealth& one) { return one.troubles.empty(); });
  site.check_all(350);
}

TEST_CASE(
    "what cannot be used of a topic made anew is a dead letter of its own, also at an offset that was one before") {
  if (!KafkaBroker::shared().here()) return;
  Site site("refused");
  send("refused", std::vector<std::string>(30, "{}"));
  site.check_all(0);
  KafkaClient().remove("refused");
  KafkaBroker::shared().must("topic refused --partitions 1");
  send("refused", std::vector<std::string>(20, "[]"));
  site.await([](const ConsumerHealth& one) { return one.blocked() && one.troubles[0].partition.has_value(); });
  REQUIRE(site.engine->accept_gap({}, "kafka").ok());
  site.await([](const ConsumerHealth& one) { return one.troubles.empty(); });
  site.check_all(0);
  CHECK(site.engine->status({}).events_rejected == 50);
  std::ifstream letters(site.options.state_dir + "/dead-letters.ndjson");
  int lines = 0;
  for (std::string line; std::getline(letters, line);) ++lines;
  CHECK(lines == 50);
}

TEST_CASE("a topic that cannot be known again is said to be, and gaps are passed by themselves where that is wanted") {
  if (!KafkaBroker::shared().here()) return;
  Site site("by-itself");
  send("by-itself", visits("a", 100));
  site.check_all(100);
  site.engine.reset();
  send("by-itself", visits("b", 80));
  KafkaClient().trim("by-itself", 0, 130);
  site.options.kafka.on_gap = OnGap::kAccept;
  site.open();
  site.check_all(150);
  site.await([](const ConsumerHealth& one) { return one.gap_records == 30 && one.unchecked.empty(); });
  site.engine.reset();
  KafkaClient().trim("by-itself", 0, 180);
  site.open();
  site.check_all(150);
  site.await(
      [](const ConsumerHealth& one) { return one.unchecked.size() == 1 && one.unchecked[0].offset == Offset{179}; });
}

TEST_CASE("records that retention took before they were read are a gap, which is counted to the record when accepted") {
  if (!KafkaBroker::shared().here()) return;
  Site site("trimmed");
  send("trimmed", visits("a", 100));
  site.check_all(100);
  site.engine.reset();
  send("trimmed", visits("b", 80));
  KafkaClient().trim("trimmed", 0, 130);
  site.open();
  site.await(is_blocked);
  CHECK(site.health().at(0).troubles.at(0).reason.find("30 records were trimmed") != std::string::npos);
  REQUIRE(site.engine->accept_gap({}, "features:kafka").ok());
  REQUIRE(site.engine->accept_gap({}, "sql:kafka").ok());
  site.await([](const ConsumerHealth& one) { return one.troubles.empty() && one.gap_records == 30; });
  site.check_all(150);
}

TEST_CASE("each of three partitions goes on where it stands, in both stores, through restarts") {
  if (!KafkaBroker::shared().here()) return;
  Site site("three", 3);
  const auto check_positions = [&](std::vector<std::int64_t> expected) {
    expected.insert(expected.end(), expected.begin(), expected.end());  // of the features, and of the tables
    std::vector<std::int64_t> found;
    for (const ConsumerStatus& one : site.engine->status({}).consumers) {
      if (one.source == "kafka") found.push_back(one.position.offset.value);
    }
    CHECK(found == expected);
  };
  send("three", visits("a", 70), 0);
  send("three", visits("b", 20), 2);
  site.check_all(90);  // nothing of partition 1, which has no position
  site.engine.reset();
  send("three", visits("c", 5), 0);
  send("three", visits("d", 40), 1);
  site.open();
  site.check_all(135);
  check_positions({75, 40, 20});
  site.engine.reset();
  send("three", visits("e", 3), 2);
  site.open();
  site.check_all(138);
  check_positions({75, 40, 23});
}

}  // namespace
}  // namespace cairn::test
