// A daemon as its users see it: over HTTP, under load, while it is killed and stopped, and PostgreSQL too.
#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "tests/engine/serving/raw_client.h"
#include "tests/support/environment_number.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/tiers/mock_topic.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {
namespace {

using namespace std::chrono_literals;
using cairnd::test::Process;
using nlohmann::json;

constexpr int kPlaces = 2'000;

class Daemon {
 public:
  Daemon(const TemporaryFolder& folder, const std::string& dsn, const std::string& more) : config_(folder / "c.toml") {
    std::ofstream(config_) << "[state]\ndir = \"" << (folder / "state") << "\"\nfree_min = \"0B\"\n[sql]\ndsn = \""
                           << dsn << "\"\nshared = true\n[log]\nformat = \"json\"\n"
                           << "[cache]\nmemory = \"2MiB\"\nttl = \"20s\"\nttl_min = \"20s\"\nshared = true\n"
                           << more;
    start();
  }

  void start() {
    process_ = std::make_unique<Process>(CAIRND_PATH, std::vector<std::string>{"--config", config_},
                                         std::map<std::string, std::string>{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
    REQUIRE_MESSAGE(process_->wait_for_error_text("\"daemon.ready\""), process_->error());
    const std::string& log = process_->error();
    const std::size_t port = log.find("\"port\":\"", log.find("\"daemon.ready\""));
    REQUIRE_MESSAGE(port != std::string::npos, log);
    port_ = static_cast<std::uint16_t>(std::stoul(log.substr(port + 8)));
  }
  void kill() {
    process_->signal(SIGKILL);
    CHECK(process_->wait() == 128 + SIGKILL);
  }
  void signal(int number) const { process_->signal(number); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] json post(const std::string& target, const json& body) const {
    const auto answer = serving_test::post(port_, target, body.dump());
    REQUIRE_MESSAGE(answer.code / 100 == 2, answer.body);
    return json::parse(answer.body);
  }
  [[nodiscard]] json cache() const { return json::parse(serving_test::get(port_, "/v1/cache").body); }

  void import() const {
    json places = json::array();
    for (int i = 0; i < kPlaces; ++i) {
      places.push_back({{"place_id", "p" + std::to_string(i)},
                        {"lat", 40.7 + 0.0005 * static_cast<double>(i % 40)},
                        {"lon", -74.0 + 0.0005 * static_cast<double>(i / 40)},
                        {"category", "c" + std::to_string(i % 5)}});
    }
    static_cast<void>(post("/v1/places", places));
    while (post("/v1/recommendations", {{"user_id", "x"}, {"lat", 40.7}, {"lon", -74.0}, {"max_staleness_ms", 0}})
               .at("candidates") != kPlaces) {
      std::this_thread::yield();
    }
  }

 private:
  const std::string config_;
  std::unique_ptr<Process> process_;
  std::uint16_t port_ = 0;
};

json unseen(const std::string& user) {
  return {{"user_id", user}, {"lat", 40.71}, {"lon", -73.99}, {"exclude_seen", true}, {"deadline_ms", 60'000}};
}

std::set<std::string> places_of(const json& answer) {
  std::set<std::string> places;
  for (const json& item : answer.at("items")) places.insert(item.at("place_id"));
  return places;
}

TEST_CASE("a user's own click is in the next answer, a thousand times, under load, kills and outages") {
  const std::uint32_t seed = environment_number("CAIRN_TEST_SEED", 20'272);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  const std::size_t clicks = environment_number("CAIRN_CLICKS", 1'000);
  std::mt19937 random(seed);
  const TemporaryFolder folder;
  Daemon daemon(folder, TestCluster::shared().fresh_database(), "");
  daemon.import();
  std::atomic<std::uint16_t> port{daemon.port()};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> asked{0};
  const auto load = [&](std::uint32_t of) {
    std::mt19937 draws(of);
    while (!done) {
      // Between a kill and a start there is nobody to ask.
      if (port == 0) continue;
      serving_test::RawClient client(port, serving_test::RawClient::MayBeGone{});
      for (int i = 0; i < 20 && !done; ++i) {
        if (!client.send(serving_test::recommend_bytes(unseen("u" + std::to_string(draws() % 8)).dump()))) break;
        if (client.read_answer().code != 200) break;
        ++asked;
      }
    }
  };
  std::vector<std::jthread> clients;
  clients.emplace_back(load, seed + 1);
  clients.emplace_back(load, seed + 2);

  std::map<std::string, std::set<std::string>> clicked;
  json reached;
  std::map<std::string, int> tiers;
  const auto check = [&](const std::string& user, const json& answer) {
    for (const std::string& place : places_of(answer)) CHECK_FALSE(clicked[user].contains(place));
    ++tiers[answer.at("cache").is_null() ? "computed" : answer.at("cache").at("tier").get<std::string>()];
  };
  for (std::size_t i = 0; i < clicks; ++i) {
    INFO("click ", i);
    const std::string user = "u" + std::to_string(random() % 8);
    const json before = daemon.post("/v1/recommendations", unseen(user));
    check(user, before);
    REQUIRE(before.at("items").size() > 0);
    // The best one, so that an answer of before would have it.
    const std::string place = before.at("items").at(0).at("place_id");
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    const json ack =
        daemon.post("/v1/interactions", {{"user_id", user}, {"place_id", place}, {"type", "visit"}, {"ts", now}});
    REQUIRE(ack.at("accepted") == 1);
    clicked[user].insert(place);
    reached = ack.at("reflected_at");
    if (i % 250 == 249) {
      port = 0;
      daemon.kill();
      daemon.start();
      port = daemon.port();
    }
    if (i % 400 == 200) TestCluster::shared().stop_immediate();
    if (i % 400 == 230) TestCluster::shared().start();
    // Half of the answers say what they must know; before the other half somebody else has waited for it.
    json request = unseen(user);
    if (random() % 2 == 0) {
      request["min_offset"] = reached;
    } else {
      json probe = unseen("somebody else");
      probe["min_offset"] = reached;
      static_cast<void>(daemon.post("/v1/recommendations", probe));
    }
    check(user, daemon.post("/v1/recommendations", request));
  }
  done = true;
  clients.clear();
  MESSAGE("computed ", tiers["computed"], ", L1 ", tiers["L1"], ", L2 ", tiers["L2"], ", L3 ", tiers["L3"], "; others ",
          asked.load());
  CHECK(tiers["L1"] > 0);
  CHECK(asked > 0);
}

TEST_CASE("a daemon that was stopped and wakes up writes nothing stale, and gives nothing that is too old") {
  const TemporaryFolder folder;
  const std::string dsn = TestCluster::shared().fresh_database();
  MockTopic topic;
  Daemon stopped(folder, dsn,
                 "[kafka]\nbrokers = \"" + topic.brokers() + "\"\ntopic = \"" + MockTopic::name() + "\"\n");
  stopped.import();

  EngineOptions options;
  options.state_dir = folder / "other";
  options.state.free_bytes_min = 0;
  options.sql.dsn = dsn;
  options.sql.shared = true;
  options.kafka.brokers = topic.brokers();
  options.kafka.topic = MockTopic::name();
  options.kafka.group = "other";
  options.answers = {.memory_bytes = 2 << 20, .ttl = 20s, .ttl_min = 20s, .shared = true, .shared_timeout = 10s};
  auto other = Engine::open(options);
  REQUIRE_MESSAGE(other.ok(), other.status().to_string());
  std::vector<Place> places;
  for (int i = 0; i < kPlaces; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)),
                      "",
                      {40.7 + 0.0005 * static_cast<double>(i % 40), -74.0 + 0.0005 * static_cast<double>(i / 40)},
                      "c" + std::to_string(i % 5)});
  }
  REQUIRE((*other)->upsert_places({}, places).ok());
  const auto ask_other = [&](const std::string& user, const std::optional<Watermark>& min_offset = std::nullopt) {
    RecommendRequest request{.user = UserId(user), .position = GeoPoint{40.71, -73.99}};
    request.exclude_seen = true;
    request.min_offset = min_offset;
    const auto answer = (*other)->recommend(CallContext::within(60s), request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *answer;
  };
  const auto visit = [&](const std::string& user, const std::string& place) {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    return topic.send(user, json{{"user_id", user}, {"place_id", place}, {"type", "visit"}, {"ts", now}}.dump());
  };
  const auto as_json = [](const Watermark& mark) {
    return json{
        {"source", mark.source}, {"partition", mark.position.partition.value}, {"offset", mark.position.offset.value}};
  };
  while (ask_other("x").candidates != kPlaces || stopped.cache().at("shared").at("writes") == 0) {
    static_cast<void>(stopped.post("/v1/recommendations", unseen("warm" + std::to_string(std::rand()))));
  }

  std::map<std::string, std::set<std::string>> visited;
  const std::size_t rounds = environment_number("CAIRN_STOPS", 12);
  for (std::size_t round = 0; round < rounds; ++round) {
    INFO("round ", round);
    std::vector<std::string> users;
    for (int i = 0; i < 6; ++i) users.push_back("u" + std::to_string(round) + "_" + std::to_string(i));
    for (const std::string& user : users) {
      const Watermark mark = visit(user, "p" + std::to_string(round));
      visited[user].insert("p" + std::to_string(round));
      json request = unseen(user);
      request["min_offset"] = as_json(mark);
      static_cast<void>(stopped.post("/v1/recommendations", request));  // its answers are on their way to the table
    }
    stopped.signal(SIGSTOP);
    // Meanwhile the users go on, and somebody says that what was answered is outdated.
    std::map<std::string, Watermark> last;
    for (const std::string& user : users) {
      const std::string place = ask_other(user).items.begin()->place.id.str();
      last[user] = visit(user, place);
      visited[user].insert(place);
      static_cast<void>(ask_other("somebody else", last[user]));
    }
    PgClient(dsn).query("SELECT cairn.invalidate_answers(users => '{" + users[0] + "}')");
    stopped.signal(SIGCONT);
    for (const std::string& user : users) {
      for (const Recommended& item : ask_other(user).items) {
        CHECK_FALSE(visited[user].contains(item.place.id.str()));
      }
      json request = unseen(user);
      request["min_offset"] = as_json(last[user]);
      const json answer = stopped.post("/v1/recommendations", request);
      if (!answer.at("cache").is_null()) CHECK(answer.at("cache").at("age_ms") <= 32'000);
    }
    // What it wrote after it woke up is of before, or of now: nobody is given what is not theirs.
    for (const std::string& user : users) {
      for (const Recommended& item : ask_other(user).items) {
        CHECK_FALSE(visited[user].contains(item.place.id.str()));
      }
    }
  }
  CHECK(PgClient(dsn).value("SELECT count(*) FROM cairn.kept_answers WHERE made_at > clock_timestamp()") == "0");
}

}  // namespace
}  // namespace cairn::test
