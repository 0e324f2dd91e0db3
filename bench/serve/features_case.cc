// Features of 50 users, five views each, in process, on one thread: rows in memory, decayed to now, names of dimensions
// written. Beside it the same values in Redis, a hash for each user as feature stores keep them, over loopback: 50
// HGETALL in one write, their answers read and taken apart, and no decay; and in a hash map of vectors of this process,
// which are copied and decayed: what a look-up in memory takes that keeps nothing else in order. Users have 5 to 100
// events.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/measure.h"
#include "bench/serve/redis_peer.h"
#include "cairn/check.h"
#include "cairn/engine.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kUsers = 5'000;
constexpr std::size_t kAsked = 50;
constexpr std::size_t kPlaces = 2'000;
constexpr std::uint64_t kSeed = 4;
const std::vector<std::string> kViews = {"user_history", "user_category_affinity", "user_cell_affinity",
                                         "user_interest", "user_dismissed"};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<Engine> open_engine(const std::string& folder) {
  EngineOptions options;
  options.state_dir = folder + "/state";
  options.state.free_bytes_min = 0;
  auto engine = Engine::open(std::move(options));
  CAIRN_CHECK_MSG(engine.ok(), engine.status().to_string());
  std::vector<Place> places;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)),
                      "",
                      {40.0 + 0.0005 * static_cast<double>(i % 1000), -74.0},
                      "category " + std::to_string(i % 40)});
  }
  CAIRN_CHECK((*engine)->upsert_places({}, places).ok());
  return *std::move(engine);
}

void happen(Engine& engine) {
  constexpr const char* kTypes[] = {"visit", "view", "click", "save", "dismiss"};
  std::mt19937_64 random(kSeed);
  const std::int64_t now = to_ms(SystemClock::instance().now());
  std::vector<std::string> events;
  const auto give = [&] {
    const std::vector<std::string_view> views(events.begin(), events.end());
    const auto ack = engine.ingest({}, views);
    CAIRN_CHECK(ack.ok() && ack->rejected == 0);
    events.clear();
  };
  for (std::size_t user = 0; user < kUsers; ++user) {
    for (std::size_t i = 5 + random() % 96; i > 0; --i) {
      events.push_back(R"({"user_id":"u)" + std::to_string(user) + R"(","place_id":"p)" +
                       std::to_string(random() % kPlaces) + R"(","type":")" + kTypes[random() % 5] + R"(","ts":)" +
                       std::to_string(now - static_cast<std::int64_t>(random() % 2'000'000'000)) + "}");
      if (events.size() == 5'000) give();
    }
  }
  if (!events.empty()) give();
  CAIRN_CHECK(engine.wait_caught_up({}).ok());
}

/// Value, count and time of an entry, as bytes: what Redis is to give back.
std::string packed(const FeatureEntry& entry) {
  std::string bytes(24, '\0');
  const std::int64_t newest = to_ms(entry.newest);
  std::copy_n(reinterpret_cast<const char*>(&entry.value), 8, bytes.begin());
  std::copy_n(reinterpret_cast<const char*>(&entry.count), sizeof entry.count, bytes.begin() + 8);
  std::copy_n(reinterpret_cast<const char*>(&newest), 8, bytes.begin() + 16);
  return bytes;
}

/// All of a user's vectors, in a hash map of this process.
class PlainMap {
 public:
  void add(const std::string& key, const std::vector<FeatureVector>& vectors) {
    std::vector<View>& views = users_[key];
    for (const FeatureVector& vector : vectors) {
      View& view = views.emplace_back();
      for (const FeatureEntry& entry : vector.entries) {
        view.push_back({std::string(entry.dimension), entry.value, entry.count, entry.newest});
      }
    }
  }
  [[nodiscard]] std::vector<std::vector<FeatureEntry>> get(const std::vector<std::string>& keys, EventTime now) const {
    std::vector<std::vector<FeatureEntry>> found;
    found.reserve(keys.size() * kViews.size());
    for (const std::string& key : keys) {
      for (const View& view : users_.at(key)) {
        std::vector<FeatureEntry>& entries = found.emplace_back();
        entries.reserve(view.size());
        for (const Entry& entry : view) {
          const double days = std::chrono::duration<double>(now - entry.newest).count() / 86'400.0;
          entries.push_back({entry.dimension, entry.value * std::exp2(-days / 30.0), entry.count, entry.newest});
        }
      }
    }
    return found;
  }

 private:
  struct Entry {
    std::string dimension;
    double value;
    std::int64_t count;
    EventTime newest;
  };
  using View = std::vector<Entry>;
  std::unordered_map<std::string, std::vector<View>> users_;
};

/// `redis` may be null.
void copy_to_peers(const Engine& engine, PlainMap& plain, RedisClient* redis) {
  std::vector<std::string_view> ignored;
  for (std::size_t user = 0; user < kUsers; ++user) {
    const std::string key = "u" + std::to_string(user);
    const auto found = engine.get_features({}, {.entity = EntityKind::kUser, .keys = {key}, .views = kViews});
    CAIRN_CHECK(found.ok());
    plain.add(key, found->entities[0].vectors);
    if (redis == nullptr) continue;
    std::vector<std::string> words = {"HSET", "user:" + key};
    for (const FeatureVector& vector : found->entities[0].vectors) {
      for (const FeatureEntry& entry : vector.entries) {
        // A place stands in a history as often as the user was there.
        words.push_back(vector.view + ":" + std::string(entry.dimension) + ":" + std::to_string(words.size()));
        words.push_back(packed(entry));
      }
    }
    if (words.size() > 2) redis->ask(RedisClient::command({words.begin(), words.end()}), 1, &ignored);
  }
}

std::vector<std::string> drawn_users(std::mt19937_64& random) {
  std::vector<std::string> users;
  for (std::size_t i = 0; i < kAsked; ++i) users.push_back("u" + std::to_string(random() % kUsers));
  return users;
}

std::size_t entries_of(const FeatureResponse& response) {
  std::size_t entries = 0;
  for (const auto& entity : response.entities) {
    for (const FeatureVector& vector : entity.vectors) entries += vector.entries.size();
  }
  return entries;
}

}  // namespace

void features_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  const auto engine = open_engine(folder.path());
  happen(*engine);
  const auto server = RedisServer::start();
  std::unique_ptr<RedisClient> redis;
  if (server) redis = std::make_unique<RedisClient>(server->port());
  PlainMap plain;
  copy_to_peers(*engine, plain, redis.get());
  std::mt19937_64 random(kSeed + 1);
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> of_map;
  std::vector<std::string_view> elements;
  std::size_t entries = 0;
  std::size_t questions = 0;
  for (std::size_t round = run.rounds(15) * 20 + 20; round > 0; --round) {
    FeatureRequest request{.entity = EntityKind::kUser, .keys = drawn_users(random), .views = kViews};
    const auto start = std::chrono::steady_clock::now();
    const auto found = engine->get_features({}, request);
    const double took = seconds_since(start);
    CAIRN_CHECK(found.ok());
    const bool warm_up = questions++ < 20;
    if (!warm_up) ours.push_back(took);
    if (!warm_up) entries += entries_of(*found);
    const auto start_map = std::chrono::steady_clock::now();
    const auto copied = plain.get(request.keys, SystemClock::instance().now());
    if (!warm_up) of_map.push_back(seconds_since(start_map));
    CAIRN_CHECK(copied.size() == kAsked * kViews.size());
    if (!redis) continue;
    const auto start_redis = std::chrono::steady_clock::now();
    std::string commands;
    for (const std::string& user : request.keys) commands += RedisClient::command({"HGETALL", "user:" + user});
    redis->ask(commands, kAsked, &elements);
    if (!warm_up) theirs.push_back(seconds_since(start_redis));
    CAIRN_CHECK(elements.size() == 2 * entries_of(*found));
  }
  Case measured{.name = "features of " + std::to_string(kAsked) + " users x 5 views, " +
                        std::to_string(entries / ours.size()) + " values",
                .unit = "us",
                .better = Better::kLess,
                .value = median(ours) * 1e6};
  if (redis) measured.peer = Peer{"Redis, 50 HGETALL in one write, loopback", median(theirs) * 1e6};
  run.report.add(measured);
  measured.peer = Peer{"a hash map of vectors, copied and decayed", median(of_map) * 1e6};
  run.report.add(measured);
  run.report.add({.name = "the same, p95", .unit = "us", .better = Better::kLess, .value = [&] {
                    std::sort(ours.begin(), ours.end());
                    return ours[ours.size() * 95 / 100] * 1e6;
                  }()});
}

}  // namespace cairn::bench
