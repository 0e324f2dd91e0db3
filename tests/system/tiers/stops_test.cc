// A daemon that is stopped and goes on later (SIGSTOP, SIGCONT), beside another on the same topic and PostgreSQL: what
// it had on its way when it was stopped, and what it knew then, misleads nobody.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/tiers/clicks.h"
#include "tests/system/tiers/daemon.h"
#include "tests/system/tiers/mock_topic.h"

namespace cairn::test {
namespace {

using nlohmann::json;

constexpr std::size_t kStopped = 0;
constexpr std::size_t kAwake = 1;

std::string kafka_of(const MockTopic& topic, const std::string& group) {
  return "[kafka]\nbrokers = \"" + topic.brokers() + "\"\ntopic = \"" + MockTopic::name() + "\"\ngroup = \"" + group +
         "\"\n[kafka.properties]\n\"fetch.wait.max.ms\" = 10\n";
}

struct Pair {
  TemporaryFolder folder;
  std::string dsn = TestCluster::shared().fresh_database();
  MockTopic topic;
  Daemon stopped{folder, "stopped", dsn, kafka_of(topic, "stopped")};
  Daemon awake{folder, "awake", dsn, kafka_of(topic, "awake")};
  Clicks clicks;

  Pair() {
    stopped.import();
    awake.import();
  }

  [[nodiscard]] const Daemon& daemon(std::size_t number) const { return number == kStopped ? stopped : awake; }

  Watermark click(const std::string& user, const std::string& place) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    const Watermark mark =
        topic.send(user, json{{"user_id", user}, {"place_id", place}, {"type", "visit"}, {"ts", ms}}.dump());
    clicks.add(user, place, ms, mark);
    return mark;
  }
  /// Checks what a daemon answers. `wait`: it waits for this.
  json ask(std::size_t number, const std::string& user, const std::optional<Watermark>& wait = {}) {
    json question = question_of(user, 1);
    std::size_t known = clicks.must_know(number, user);
    if (wait) question["min_offset"] = to_json(*wait);
    const json answer = daemon(number).recommend(question);
    if (wait) {
      clicks.seen(number, *wait);
      known = clicks.must_know(number, user);
    }
    const std::string complaint = clicks.complaint(user, known, answer);
    CHECK_MESSAGE(complaint.empty(), complaint);
    return answer;
  }
};

TEST_CASE("a daemon that was stopped and goes on writes nothing outdated, and gives nothing that is or is too old") {
  Pair pair;
  PgClient database(pair.dsn);
  const std::size_t rounds = environment_number("CAIRN_STOPS", 12);
  std::map<std::string, int> tiers;
  for (std::size_t round = 0; round < rounds; ++round) {
    INFO("round ", round);
    std::vector<std::string> users;
    for (int i = 0; i < 6; ++i) users.push_back("u" + std::to_string(round) + "_" + std::to_string(i));
    for (const std::string& user : users) {
      const Watermark mark = pair.click(user, "p" + std::to_string(round));
      static_cast<void>(pair.ask(kAwake, "nobody", mark));
      static_cast<void>(pair.ask(kStopped, "nobody", mark));
      static_cast<void>(pair.ask(kStopped, user));  // computed, and on its way to the table
    }
    pair.stopped.signal(SIGSTOP);
    // The users go on, and somebody says that what was answered to one is outdated.
    std::map<std::string, Watermark> last;
    for (const std::string& user : users) {
      const json before = pair.ask(kAwake, user);
      ++tiers[before.at("cache").is_null() ? "computed" : before.at("cache").at("tier").get<std::string>()];
      last[user] = pair.click(user, before.at("items").at(0).at("place_id"));
      static_cast<void>(pair.ask(kAwake, "nobody", last[user]));
    }
    database.query("SELECT cairn.invalidate_answers(users => '{" + users[0] + "}')");
    // In each third round it is stopped until all that anybody kept is too old to be given.
    if (round % 3 == 2) {
      while (database.value("SELECT count(*) FROM cairn.kept_answers WHERE expires_at > clock_timestamp()") != "0") {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it is asked for again and again, not waited for
      }
    }
    pair.stopped.signal(SIGCONT);
    for (const std::string& user : users) {
      static_cast<void>(pair.ask(kStopped, user));  // knows what it knew, or more, and says which
      static_cast<void>(pair.ask(kAwake, user));
      static_cast<void>(pair.ask(kStopped, user, last[user]));
      static_cast<void>(pair.ask(kStopped, user));
    }
    // What it wrote after it woke up is of before, or of now: nobody is given what is not theirs.
    for (const std::string& user : users) static_cast<void>(pair.ask(kAwake, user));
  }
  MESSAGE("while it was stopped: computed ", tiers["computed"], ", L1 ", tiers["L1"], ", L2 ", tiers["L2"], ", L3 ",
          tiers["L3"]);
  CHECK(database.value("SELECT count(*) FROM cairn.kept_answers WHERE made_at > clock_timestamp()") == "0");
}

}  // namespace
}  // namespace cairn::test
