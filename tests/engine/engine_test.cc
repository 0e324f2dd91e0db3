#include "cairn/engine.h"

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/skip.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kPatience = 60'000ms;

struct Folder {
  test::TemporaryFolder made;
  fs::path path{made.path()};
};

EngineOptions options_in(const fs::path& path) {
  EngineOptions options;
  options.state_dir = path.string();
  options.state.free_bytes_min = 1 << 20;
  return options;
}

std::unique_ptr<Engine> open(const EngineOptions& options) {
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  return *std::move(engine);
}

std::string event(const std::string& user, const std::string& place, std::int64_t ms = 1'700'000'000'000) {
  return R"({"user_id":")" + user + R"(","place_id":")" + place + R"(","type":"visit","ts":)" + std::to_string(ms) +
         "}";
}

double visits(const Engine& engine, const std::string& place) {
  const auto answer = engine.get_features({}, {EntityKind::kPlace, {place}, {"place_visits"}, {}});
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  const FeatureVector& vector = answer->entities.at(0).vectors.at(0);
  return vector.entries.empty() ? 0.0 : vector.entries[0].value;
}

const std::vector<Place> kPlaces{{PlaceId("cafe"), "Cafe", {40.70, -74.0}, "Coffee"},
                                 {PlaceId("bar"), "Bar", {40.71, -74.0}, "Bar"}};

TEST_CASE("one mapping serves files and the API, and a check writes nothing") {
  const Folder folder;
  const std::string file = folder.made.write(
      "in/events.ndjson", R"({"who":"u1","shop":{"id":7.0},"what":"checkin","when":"14.11.2023 23:13"})"
                          "\n");
  EngineOptions options = options_in(folder.path / "state");
  options.files = {{.name = "shop", .path = file, .follow = false}};
  options.decode.mapping = {.fields = {{"who", "user_id"}, {"shop.id", "place_id"}, {"what", "type"}, {"when", "ts"}},
                            .types = {{"checkin", "visit"}},
                            .time_format = "%d.%m.%Y %H:%M",
                            .time_zone = "+01:00"};
  const auto engine = open(options);
  const std::string theirs = R"({"who":"u2","shop":{"id":"7"},"what":"checkin","when":1700000000000})";
  const std::vector<std::string_view> events = {theirs, "{}"};
  const auto checked = engine->check_events({}, events);
  REQUIRE(checked.ok());
  CHECK(checked->accepted == 1);
  CHECK(checked->rejected == 1);
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "7") == 1.0);
  CHECK(engine->status({}).events_rejected == 0);
  REQUIRE(engine->ingest({}, std::span(events).first(1)).ok());
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "7") == 2.0);
}

TEST_CASE("a mapping that cannot be meant keeps an engine from opening") {
  const Folder folder;
  EngineOptions options = options_in(folder.path);
  options.decode.mapping.fields = {{"who", "user"}};
  const auto engine = Engine::open(options);
  REQUIRE_FALSE(engine.ok());
  CHECK(engine.status().code() == StatusCode::kInvalidArgument);
  CHECK(engine.status().message().find("mapping.fields.who: 'user' is no field of an event") == 0);
}

TEST_CASE("an event handed in is acknowledged, applied, recommended by, and still there after a restart") {
  Folder folder;
  {
    const auto engine = open(options_in(folder.path));
    REQUIRE(engine->upsert_places({}, kPlaces).ok());
    const std::string one = event("ann", "bar");
    const std::vector<std::string_view> events{one, "{bad"};
    const auto ack = engine->ingest({}, events);
    REQUIRE(ack.ok());
    CHECK(ack->accepted == 1);
    CHECK(ack->rejected == 1);
    CHECK(ack->rejections.at(0).index == 1);
    REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
    const auto answer = engine->recommend({}, {.user = UserId("ann"),
                                               .position = GeoPoint{40.7, -74.0},
                                               .time = event_time_from_ms(1'700'086'400'000),
                                               .min_offset = ack->reflected_at});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    CHECK(answer->items.at(0).place.id.str() == "bar");
    CHECK(answer->freshness.newest_event == event_time_from_ms(1'700'000'000'000));
    CHECK(engine->close().ok());
    CHECK(engine->ingest({}, events).status().code() == StatusCode::kUnavailable);
  }
  const auto engine = open(options_in(folder.path));
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "bar") == 1.0);
  const EngineStatus status = engine->status({});
  CHECK(status.events_applied == 1);
  CHECK(status.events_rejected == 1);
  CHECK(status.places == 2);
  CHECK(status.ready());
  CHECK(engine->get_place({}, PlaceId("cafe"))->category == "Coffee");
  std::ifstream letters(folder.path / "dead-letters.ndjson");
  std::string line;
  REQUIRE(std::getline(letters, line));
  CHECK(line.find("malformed_json") != std::string::npos);
  CHECK_FALSE(std::getline(letters, line));
}

TEST_CASE("a reader who names the offset of a write sees it") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  REQUIRE(engine->upsert_places({}, kPlaces).ok());
  for (int i = 1; i <= 20; ++i) {
    const std::string one = event("bob", "cafe", 1'700'000'000'000 + i);
    const std::vector<std::string_view> events{one};
    const auto ack = engine->ingest({}, events);
    REQUIRE(ack.ok());
    const auto answer =
        engine->recommend(CallContext::within(kPatience),
                          {.user = UserId("bob"), .position = GeoPoint{40.7, -74.0}, .min_offset = ack->reflected_at});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    CHECK(visits(*engine, "cafe") == i);
  }
  const Watermark never{"api", {Partition{0}, Offset{1'000'000'000}, {}}};
  const auto ask = [&](OnStale on_stale) {
    return engine->recommend(
        CallContext::within(5ms),
        {.user = UserId("bob"), .position = GeoPoint{40.7, -74.0}, .min_offset = never, .on_stale = on_stale});
  };
  CHECK(ask(OnStale::kWait).status().code() == StatusCode::kDeadlineExceeded);
  CHECK(ask(OnStale::kFail).status().code() == StatusCode::kFailedPrecondition);
  CHECK(ask(OnStale::kDegrade)->degraded);
}

TEST_CASE("a call whose deadline has passed, or that was cancelled, changes nothing and says which it was") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  REQUIRE(engine->upsert_places({}, kPlaces).ok());
  std::stop_source nobody_waits;
  nobody_waits.request_stop();
  CallContext cancelled;
  cancelled.cancelled = nobody_waits.get_token();
  const CallContext late = CallContext::within(0ms);
  const std::string one = event("ann", "cafe", 1'700'000'000'000);
  const std::vector<std::string_view> events{one};
  const std::vector<Place> more{{PlaceId("new"), "New", {40.7, -74.0}, ""}};
  for (const auto& [context, code] :
       {std::pair{cancelled, StatusCode::kCancelled}, std::pair{late, StatusCode::kDeadlineExceeded}}) {
    INFO(to_string(code));
    CHECK(engine->ingest(context, events).status().code() == code);
    CHECK(engine->upsert_places(context, more).code() == code);
    CHECK(engine->get_place(context, PlaceId("cafe")).status().code() == code);
    CHECK(engine->get_features(context, {EntityKind::kUser, {"ann"}, {}, {}}).status().code() == code);
    CHECK(engine->recommend(context, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}}).status().code() ==
          code);
    CHECK(engine->checkpoint(context, (folder.path / "copy").string()).status().code() == code);
    CHECK(engine->status(context).ready());
  }
  CHECK(engine->wait_caught_up(late).code() == StatusCode::kDeadlineExceeded);
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(engine->status({}).events_applied == 0);
  CHECK(engine->get_place({}, PlaceId("new")).status().code() == StatusCode::kNotFound);
  CHECK_FALSE(fs::exists(folder.path / "copy"));
}

TEST_CASE("whoever waits for features is woken when the call is cancelled") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  std::stop_source caller;
  CallContext context;
  context.cancelled = caller.get_token();
  const Watermark never{"api", {Partition{0}, Offset{1'000'000'000}, {}}};
  std::jthread hangs_up([&] { caller.request_stop(); });
  const auto answer =
      engine->recommend(context, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}, .min_offset = never});
  CHECK(answer.status().code() == StatusCode::kCancelled);
}

TEST_CASE("closing wakes whoever waits without a deadline") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  const Watermark never{"api", {Partition{0}, Offset{1'000'000'000}, {}}};
  std::jthread closer([&] { CHECK(engine->close().ok()); });
  const auto answer =
      engine->recommend({}, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}, .min_offset = never});
  CHECK(answer.status().code() == StatusCode::kUnavailable);
  closer.join();
  CHECK(engine->wait_caught_up({}).code() == StatusCode::kUnavailable);
}

TEST_CASE("a file is consumed, and a checkpoint taken on the way opens as the state it was") {
  Folder folder;
  const fs::path file = folder.path / "events.ndjson";
  {
    std::ofstream out(file);
    for (int i = 0; i < 1000; ++i) out << event("u" + std::to_string(i % 7), "cafe", 1'700'000'000'000 + i) << "\n";
  }
  EngineOptions options = options_in(folder.path / "state");
  options.files = {{"stream", file.string(), true}};
  const auto engine = open(options);
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "cafe") == 1000.0);
  const std::string copy_path = (folder.path / "copy").string();
  CHECK(engine->checkpoint({}, (folder.path / "no" / "parent").string()).status().code() ==
        StatusCode::kInvalidArgument);
  const auto taken = engine->checkpoint({}, copy_path);
  REQUIRE_MESSAGE(taken.ok(), taken.status().to_string());
  CHECK(taken->bytes > 0);
  CHECK(engine->checkpoint({}, copy_path).status().code() == StatusCode::kAlreadyExists);
  {
    std::ofstream out(file, std::ios::app);
    out << event("later", "cafe") << "\n";
  }
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "cafe") == 1001.0);

  EngineOptions restored = options_in(copy_path);
  CHECK(visits(*open(restored), "cafe") == 1000.0);
  restored.files = options.files;  // and goes on from there
  const auto resumed = open(restored);
  REQUIRE(resumed->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*resumed, "cafe") == 1001.0);
}

TEST_CASE("a state directory that is held says by whom") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  const auto second = Engine::open(options_in(folder.path));
  CHECK(second.status().code() == StatusCode::kFailedPrecondition);
  CHECK(second.status().message().find(std::to_string(getpid())) != std::string::npos);
}

TEST_CASE("who is refused because a state directory is held leaves its ballast, however full the disk") {
  const test::TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder / "state";
  options.state.free_bytes_min = 0;
  const auto holder = Engine::open(options);
  REQUIRE(holder.ok());
  std::ofstream(folder / "state/ballast") << "ballast";
  options.state.free_bytes_min = std::uint64_t{1} << 60;  // more than any disk has
  const Status refused = Engine::open(options).status();
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message().find("is held by process") != std::string::npos);
  CHECK(std::filesystem::exists(folder / "state/ballast"));
}

TEST_CASE("a disk that is nearly full refuses what it could not keep, and goes on serving") {
  Folder folder;
  {
    const auto engine = open(options_in(folder.path));
    REQUIRE(engine->upsert_places({}, kPlaces).ok());
  }
  EngineOptions options = options_in(folder.path);
  options.state.free_bytes_min = fs::space(folder.path).available * 2;
  const auto engine = open(options);
  const std::string one = event("ann", "bar");
  const auto refused = engine->ingest({}, std::vector<std::string_view>{one});
  CHECK(refused.status().code() == StatusCode::kResourceExhausted);
  CHECK(refused.status().message().find("free") != std::string::npos);
  CHECK(engine->upsert_places({}, kPlaces).code() == StatusCode::kResourceExhausted);
  CHECK(engine->recommend({}, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}})->items.size() == 2);
  for (const ReadinessCheck& check : engine->status({}).checks) {
    if (check.name == "disk") CHECK_FALSE(check.ok);
  }
}

/// A small file system in memory. `mounted` is false where this process may not mount.
struct SmallDisk {
  Folder folder;
  bool mounted = ::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=256m") == 0;
  ~SmallDisk() {
    if (mounted) ::umount2(folder.path.c_str(), MNT_DETACH);
  }
};

template <class Condition>
void await(Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(5ms);
  }
}

TEST_CASE("an engine opens on a full disk, is read, says why it takes nothing, and takes again when space is back") {
  const SmallDisk disk;
  if (!disk.mounted) return test::skip("this process may not mount a file system");
  EngineOptions options = options_in(disk.folder.path / "dir");
  options.state.free_bytes_min = 64 << 20;
  {
    const auto engine = open(options);
    REQUIRE(engine->upsert_places({}, kPlaces).ok());
    await([&] { return fs::exists(disk.folder.path / "dir" / "ballast"); });
  }
  const fs::path filler = disk.folder.path / "filler";
  {
    std::ofstream out(filler, std::ios::binary);
    const std::string block(1 << 20, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  REQUIRE(fs::space(disk.folder.path).available < (1 << 20));
  std::mutex mutex;
  std::set<std::string> logged;
  options.log = Logger([&](LogLevel, std::string_view event, std::string_view, auto) {
    const std::lock_guard lock(mutex);
    logged.insert(std::string(event));
  });
  const auto was_logged = [&](const std::string& event) {
    const std::lock_guard lock(mutex);
    return logged.contains(event);
  };
  const auto engine = open(options);
  CHECK_FALSE(fs::exists(disk.folder.path / "dir" / "ballast"));
  CHECK(engine->recommend({}, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}})->items.size() == 2);
  const std::string one = event("ann", "bar");
  const std::vector<std::string_view> events{one};
  const auto refused = engine->ingest({}, events);
  CHECK(refused.status().code() == StatusCode::kResourceExhausted);
  await([&] { return was_logged("disk.full"); });
  for (const ReadinessCheck& check : engine->status({}).checks) {
    if (check.name == "event_log") CHECK(check.detail == "takes nothing until the disk has room");
  }
  CHECK_FALSE(was_logged("disk.has_room"));
  fs::remove(filler);
  await([&] { return was_logged("disk.has_room"); });
  await([&] { return engine->ingest({}, events).ok(); });
  await([&] { return fs::exists(disk.folder.path / "dir" / "ballast"); });
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  CHECK(visits(*engine, "bar") == 1.0);
}

TEST_CASE("options that contradict each other are refused") {
  Folder folder;
  EngineOptions options = options_in(folder.path);
  options.files = {{"a", "/nowhere", false}, {"a", "/nowhere", false}};
  CHECK(Engine::open(options).status().code() == StatusCode::kInvalidArgument);
  options.files = {{"api", "/nowhere", false}};
  CHECK(Engine::open(options).status().code() == StatusCode::kInvalidArgument);
  options.files.clear();
  options.ranking.weights = {{"nonsense", 1.0}};
  CHECK(Engine::open(options).status().code() == StatusCode::kInvalidArgument);
  options.ranking.weights.clear();
  options.feature_views = {{.name = "Bad Name"}};
  CHECK(Engine::open(options).status().code() == StatusCode::kInvalidArgument);
  CHECK(Engine::open({}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("a declared view is served beside the built-in ones, with a status for everything missing") {
  Folder folder;
  EngineOptions options = options_in(folder.path);
  FeatureViewSpec dwell{
      .name = "dwell", .entity = EntityKind::kUser, .dimension = Dimension::kCategory, .aggregate = Aggregate::kSum};
  dwell.events = {{"visit", "min(value / 60, 100)"}};
  options.feature_views = {dwell};
  const auto engine = open(options);
  REQUIRE(engine->upsert_places({}, kPlaces).ok());
  const std::string one = R"({"user_id":7,"place_id":"bar","type":"visit","ts":"2023-11-14T22:13:20Z","value":90})";
  REQUIRE(engine->ingest({}, std::vector<std::string_view>{one}).ok());
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  const auto answer = engine->get_features({}, {EntityKind::kUser, {"7", "8"}, {"dwell", "user_dismissed"}, {}});
  REQUIRE(answer.ok());
  CHECK(answer->entities[0].vectors[0].status == FeatureStatus::kPresent);
  CHECK(answer->entities[0].vectors[0].entries.at(0).dimension == "Bar");
  CHECK(answer->entities[0].vectors[0].entries.at(0).value == 1.5);
  CHECK(answer->entities[0].vectors[1].status == FeatureStatus::kNullValue);
  CHECK(answer->entities[1].vectors[0].status == FeatureStatus::kNotFound);
  CHECK_FALSE(engine->get_features({}, {EntityKind::kPlace, {"bar"}, {"dwell"}, {}}).ok());
  CHECK_FALSE(engine->get_features({}, {EntityKind::kUser, {"7"}, {"nope"}, {}}).ok());
}

TEST_CASE("reading, writing and asking at once neither race nor lose") {
  Folder folder;
  const auto engine = open(options_in(folder.path));
  REQUIRE(engine->upsert_places({}, kPlaces).ok());
  constexpr int kWriters = 3;
  constexpr int kEach = 40;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      CHECK(engine->recommend({}, {.user = UserId("u0"), .position = GeoPoint{40.7, -74.0}}).ok());
      CHECK(engine->status({}).ready());
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        const std::string one = event("u" + std::to_string(w), "cafe", 1'700'000'000'000 + i);
        CHECK(engine->ingest({}, std::vector<std::string_view>{one}).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
  done = true;
  reader.join();
  CHECK(visits(*engine, "cafe") == kWriters * kEach);
}

TEST_CASE("a deleted place is gone from answers at once and after a restart, and an import brings it back") {
  const auto recommended = [](const Engine& engine) {
    std::set<std::string> ids;
    const auto answer = engine.recommend({}, {.user = UserId("ann"), .position = GeoPoint{40.7, -74.0}});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    for (const Recommended& item : answer->items) ids.insert(item.place.id.str());
    return ids;
  };
  for (const PlaceHistory history : {PlaceHistory::kKeep, PlaceHistory::kErase}) {
    const double left = history == PlaceHistory::kKeep ? 1.0 : 0.0;
    Folder own;
    auto engine = open(options_in(own.path));
    REQUIRE(engine->upsert_places({}, kPlaces).ok());
    const std::string one = event("ann", "bar");
    const std::vector<std::string_view> events{one};
    REQUIRE(engine->ingest({}, events).ok());
    REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
    CHECK(recommended(*engine) == std::set<std::string>{"bar", "cafe"});
    REQUIRE(engine->delete_places({}, std::vector{PlaceId("bar")}, history).ok());
    for (int round = 0; round < 2; ++round) {
      CHECK(recommended(*engine) == std::set<std::string>{"cafe"});
      CHECK(engine->get_place({}, PlaceId("bar")).status().code() == StatusCode::kNotFound);
      CHECK(engine->status({}).places == 1);
      CHECK(visits(*engine, "bar") == left);
      CHECK(engine->delete_places({}, std::vector{PlaceId("bar")}, history).code() == StatusCode::kNotFound);
      engine.reset();
      engine = open(options_in(own.path));
    }
    REQUIRE(engine->upsert_places({}, kPlaces).ok());
    REQUIRE(engine->wait_caught_up(CallContext::within(kPatience)).ok());
    CHECK(recommended(*engine) == std::set<std::string>{"bar", "cafe"});
    CHECK(visits(*engine, "bar") == left);
  }
}

TEST_CASE("of many ids those that are places are deleted, once however many ask, and the others are told") {
  Folder own;
  auto engine = open(options_in(own.path));
  constexpr std::size_t kCount = 400;
  std::vector<Place> places;
  for (std::size_t i = 0; i < kCount; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)), "", {40.7, -74.0}, "bar"});
  }
  REQUIRE(engine->upsert_places({}, places).ok());
  CHECK(engine->delete_known_places({}, std::vector{PlaceId("p0"), PlaceId("")}, PlaceHistory::kKeep).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(engine->get_place({}, PlaceId("p0")).ok());
  std::atomic<std::size_t> deleted{0};
  {
    std::vector<std::jthread> callers;
    for (std::size_t caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&, caller] {
        // Each names half of what the next one names, 50 at a time, each twice, and one that nobody knows.
        for (std::size_t begin = caller * 100; begin < caller * 100 + 200; begin += 50) {
          std::vector<PlaceId> ids{PlaceId("nobody's")};
          for (std::size_t i = 0; i < 100; ++i) ids.emplace_back("p" + std::to_string((begin + i / 2) % kCount));
          const auto outcome = engine->delete_known_places({}, ids, PlaceHistory::kKeep);
          CHECK(outcome.ok());
          CHECK(outcome->unknown.front() == PlaceId("nobody's"));
          CHECK(outcome->count == 51 - outcome->unknown.size());
          deleted += outcome->count;
        }
      });
    }
  }
  CHECK(deleted == kCount);
  CHECK(engine->status({}).places == 0);
  // What is deleted is known as long as there is a history to erase.
  const std::vector<PlaceId> ids{PlaceId("p1"), PlaceId("p2")};
  CHECK(engine->delete_known_places({}, ids, PlaceHistory::kKeep).value().unknown == ids);
  CHECK(engine->delete_known_places({}, ids, PlaceHistory::kErase).value().unknown.empty());
  CHECK(engine->delete_known_places({}, ids, PlaceHistory::kErase).value().unknown == ids);
}

}  // namespace
