// Users who click, over HTTP and over Kafka, while others ask, daemons are killed and PostgreSQL crashes: whichever
// tier gives an answer, it knows what its user did before.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/environment_number.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/tiers/clicks.h"
#include "tests/system/tiers/daemon.h"
#include "tests/system/tiers/topic_producer.h"

namespace cairn::test {
namespace {

using nlohmann::json;

constexpr std::uint32_t kUsers = 8;
constexpr std::size_t kLoaders = 2;

std::string user_of(std::uint32_t number) { return "u" + std::to_string(number % kUsers); }

/// A user's click on a place becomes an event. Returns: the position of who reflects it.
using Send = std::function<Watermark(const std::string& user, const std::string& place, std::int64_t ms)>;

/// Daemons, users who click, and others who ask all the while.
class Street {
 public:
  Street(std::vector<std::unique_ptr<Daemon>> daemons, std::uint32_t seed)
      : daemons_(std::move(daemons)), random_(seed) {
    for (const auto& one : daemons_) one->import();
    for (std::size_t i = 0; i < kLoaders; ++i) {
      loaders_.emplace_back([this, seed, i](const std::stop_token& stop) { ask_until(stop, seed + 1 + i); });
    }
  }

  [[nodiscard]] const Daemon& daemon(std::size_t number) const { return *daemons_[number]; }

  /// One click, and answers before and after it.
  void click(const Send& send) {
    // One in eight clicks is the first of its user.
    const std::string user = random_() % 8 == 0 ? "new" + std::to_string(newcomers_++) : user_of(random_());
    const std::uint32_t number = random_() % kQuestions;
    const std::size_t at = random_() % daemons_.size();
    const json before = ask(at, user, question_of(user, number));
    REQUIRE(before.at("items").size() > 0);
    // The best one, which an answer of before has.
    const std::string place = before.at("items").at(0).at("place_id");
    const std::int64_t ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    const Watermark mark = send(user, place, ms);
    clicks_.add(user, place, ms, mark);
    last_[mark.position.partition.value] = mark;
    // Not waited for, so it may not be seen yet: an answer that does not know of it says so by its positions.
    static_cast<void>(ask(at, user, question_of(user, number)));
    // Half of the answers are asked to know of it. Before the other half somebody else has waited for that.
    if (random_() % 2 == 0) {
      static_cast<void>(ask(at, user, question_of(user, number), mark));
    } else {
      wait_for(at, mark);
      static_cast<void>(ask(at, user, question_of(user, number)));
    }
  }

  /// kill -9, and a start; it knows all that was acknowledged before anybody may rely on it.
  void kill(std::size_t number) {
    daemons_[number]->kill();
    clicks_.forget(number);
    daemons_[number]->start();
    for (const auto& [partition, mark] : last_) wait_for(number, mark);
  }
  [[nodiscard]] std::size_t daemons() const { return daemons_.size(); }

  /// Ends those who ask, and tells what came of it all. Each of `tiers` must have given answers.
  void close(const std::vector<std::string>& tiers) {
    loaders_.clear();
    const std::lock_guard lock(told_);
    MESSAGE("computed ", tiers_["computed"], ", L1 ", tiers_["L1"], ", L2 ", tiers_["L2"], ", L3 ", tiers_["L3"]);
    for (const std::string& one : complaints_) FAIL_CHECK(one);
    for (const std::string& tier : tiers) CHECK_MESSAGE(tiers_[tier] > 0, tier);
  }

 private:
  json ask(std::size_t at, const std::string& user, json question, const std::optional<Watermark>& wait = {}) {
    std::size_t known = clicks_.must_know(at, user);
    if (wait) question["min_offset"] = to_json(*wait);
    const json answer = daemons_[at]->recommend(question);
    if (wait) {
      clicks_.seen(at, *wait);
      known = clicks_.must_know(at, user);
    }
    judge(user, known, answer);
    const std::string first = first_complaint();
    REQUIRE_MESSAGE(first.empty(), first);
    return answer;
  }
  /// Whoever asks this daemon later relies on it.
  void wait_for(std::size_t at, const Watermark& mark) {
    json probe = question_of("somebody else", 0);
    probe["min_offset"] = to_json(mark);
    static_cast<void>(daemons_[at]->recommend(probe));
    clicks_.seen(at, mark);
  }

  void judge(const std::string& user, std::size_t known, const json& answer) {
    const std::string complaint = clicks_.complaint(user, known, answer);
    const std::lock_guard lock(told_);
    if (!complaint.empty()) complaints_.push_back(complaint);
    ++tiers_[answer.at("cache").is_null() ? "computed" : answer.at("cache").at("tier").get<std::string>()];
  }
  std::string first_complaint() {
    const std::lock_guard lock(told_);
    return complaints_.empty() ? "" : complaints_.front();
  }

  /// Others ask for the same users. What is broken off by a kill is nobody's answer.
  void ask_until(const std::stop_token& stop, std::uint32_t seed) {
    std::mt19937 draws(seed);
    while (!stop.stop_requested()) {
      const std::size_t at = draws() % daemons_.size();
      const std::uint16_t port = daemons_[at]->port();
      if (port == 0) {
        std::this_thread::yield();
        continue;
      }
      serving_test::RawClient client(port, serving_test::RawClient::MayBeGone{});
      for (int i = 0; i < 20 && !stop.stop_requested(); ++i) {
        const std::string user = user_of(draws());
        const std::size_t known = clicks_.must_know(at, user);
        if (!client.send(serving_test::recommend_bytes(question_of(user, draws() % kQuestions).dump()))) break;
        const auto answer = client.read_answer();
        if (answer.code != 200 || daemons_[at]->port() != port) break;
        judge(user, known, json::parse(answer.body));
      }
    }
  }

  const std::vector<std::unique_ptr<Daemon>> daemons_;
  std::mt19937 random_;
  int newcomers_ = 0;
  Clicks clicks_;
  std::map<std::int32_t, Watermark> last_;  ///< by partition
  std::mutex told_;
  std::vector<std::string> complaints_;
  std::map<std::string, int> tiers_;
  std::vector<std::jthread> loaders_;  ///< last: they use the rest
};

/// A thousand clicks, a kill after each two hundred and fifty, and PostgreSQL away for thirty of each four hundred.
void run(Street& street, const std::vector<std::string>& tiers, const Send& send) {
  const std::size_t clicks = environment_number("CAIRN_CLICKS", 1'000);
  for (std::size_t i = 0; i < clicks; ++i) {
    INFO("click ", i);
    if (i % 400 == 200) TestCluster::shared().stop_immediate();
    if (i % 400 == 230) TestCluster::shared().start();
    if (i % 250 == 249) street.kill(i / 250 % street.daemons());
    street.click(send);
  }
  street.close(tiers);
}

std::uint32_t seed_of_run() { return environment_number("CAIRN_TEST_SEED", 20'272); }

TEST_CASE("a user's own click through the API is in the next answer, a thousand times, under load, kills and outages") {
  const std::uint32_t seed = seed_of_run();
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  const TemporaryFolder folder;
  std::vector<std::unique_ptr<Daemon>> daemons;
  daemons.push_back(std::make_unique<Daemon>(folder, "one", TestCluster::shared().fresh_database()));
  Street street(std::move(daemons), seed);
  run(street, {"computed", "L1", "L2"}, [&](const std::string& user, const std::string& place, std::int64_t ms) {
    const json ack = street.daemon(0).post("/v1/interactions",
                                           {{"user_id", user}, {"place_id", place}, {"type", "visit"}, {"ts", ms}});
    REQUIRE(ack.at("accepted") == 1);
    const json& at = ack.at("reflected_at");
    return Watermark{
        at.at("source").get<std::string>(),
        {Partition{at.at("partition").get<std::int32_t>()}, Offset{at.at("offset").get<std::int64_t>()}, {}}};
  });
}

TEST_CASE("a user's own click through Kafka is in the next answer of each of two daemons, a thousand times") {
  if (!KafkaBroker::shared().here()) return;
  const std::uint32_t seed = seed_of_run();
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  constexpr std::int32_t kPartitions = 3;
  const KafkaBroker& broker = KafkaBroker::shared();
  broker.must("topic clicks --partitions " + std::to_string(kPartitions));
  const TemporaryFolder folder;
  const std::string dsn = TestCluster::shared().fresh_database();
  std::vector<std::unique_ptr<Daemon>> daemons;
  for (const std::string name : {"one", "two"}) {
    daemons.push_back(std::make_unique<Daemon>(folder, name, dsn,
                                               "[kafka]\nbrokers = \"" + broker.address() +
                                                   "\"\ntopic = \"clicks\"\ngroup = \"" + name +
                                                   "\"\n[kafka.properties]\n\"fetch.wait.max.ms\" = 10\n"));
  }
  Street street(std::move(daemons), seed);
  TopicProducer topic(broker.address(), "clicks", kPartitions);
  run(street, {"computed", "L1", "L2", "L3"}, [&](const std::string& user, const std::string& place, std::int64_t ms) {
    return topic.send(user, json{{"user_id", user}, {"place_id", place}, {"type", "visit"}, {"ts", ms}}.dump());
  });
}

}  // namespace
}  // namespace cairn::test
