#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/environment_number.h"
#include "tests/support/files_with.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kPatience = 60'000ms;
constexpr const char* kAnn = "Ann-the-erased-4711";
constexpr std::int64_t kThen = 1'700'000'000'000;

std::string event(const std::string& user, const std::string& place, std::int64_t ms = kThen) {
  return R"({"user_id":")" + user + R"(","place_id":")" + place + R"(","type":"visit","ts":)" + std::to_string(ms) +
         "}";
}

EngineOptions options_in(const std::string& path) {
  EngineOptions options;
  options.state_dir = path;
  options.state.free_bytes_min = 0;
  options.event_log_segment_bytes = 4'000;
  return options;
}

std::unique_ptr<Engine> open(const EngineOptions& options) {
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  return *std::move(engine);
}

IngestAck ingest(Engine& engine, const std::vector<std::string>& events, std::string_view key = {}) {
  const std::vector<std::string_view> views(events.begin(), events.end());
  const auto ack = engine.ingest({}, views, key);
  REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
  return *ack;
}

void catch_up(const Engine& engine) {
  const Status caught_up = engine.wait_caught_up(CallContext::within(kPatience));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
}

/// How many events stand behind an entity's values of a view.
std::int64_t events_in(const Engine& engine, EntityKind kind, const std::string& key, const std::string& view) {
  const auto answer = engine.get_features({}, {kind, {key}, {view}, {}});
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  std::int64_t events = 0;
  for (const FeatureEntry& entry : answer->entities.at(0).vectors.at(0).entries) events += entry.count;
  return events;
}

std::string in_hex(std::string_view bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) hex.append({"0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]});
  return hex;
}

/// Ann among others, in the API's log, alone and in a call with others, in the dead letters, and in the features.
void fill(Engine& engine) {
  for (int i = 0; i < 40; ++i) {
    const std::string other = "u" + std::to_string(i);
    ingest(engine, {event(kAnn, "bar", kThen + i), event(other, "bar", kThen + i)});
  }
  ingest(engine, {event("bob", "bar"), event(kAnn, "cafe"), event("bob", "cafe")}, "a call");
  ingest(engine, {R"({"user_id":")" + std::string(kAnn) + R"(","place_id":"bar","type":"visit","ts":"soon"})"});
  catch_up(engine);
}

const ErasedPart& part(const ErasureReceipt& receipt, const std::string& where) {
  const auto found = std::find_if(receipt.parts.begin(), receipt.parts.end(),
                                  [&](const ErasedPart& one) { return one.where == where; });
  REQUIRE(found != receipt.parts.end());
  return *found;
}

TEST_CASE("an erased user is in no answer and in no byte of the state directory, and a receipt says what went") {
  const test::TemporaryFolder folder;
  auto engine = open(options_in(folder / "state"));
  fill(*engine);
  CHECK(engine->export_user({}, UserId(kAnn))->events.size() == 41);
  CHECK(engine->export_user({}, UserId(kAnn))->refused_records.size() == 1);
  const auto receipt = engine->erase_user({}, UserId(kAnn));
  REQUIRE_MESSAGE(receipt.ok(), receipt.status().to_string());
  CHECK(receipt->complete());
  CHECK(receipt->parts.size() == 3);
  CHECK(part(*receipt, "features").count > 0);
  CHECK(part(*receipt, "event_log").count == 42);  // with the one that was refused
  CHECK(part(*receipt, "dead_letters").count == 1);
  CHECK(receipt->refused_until >= receipt->erased_at);
  CHECK(engine->status({}).erased_users == 1);
  CHECK(engine->status({}).erasures_pending == 0);
  for (int round = 0; round < 2; ++round) {
    const auto all = engine->export_user({}, UserId(kAnn));
    REQUIRE(all.ok());
    CHECK(all->events.empty());
    CHECK(all->refused_records.empty());
    CHECK(all->refused_until == receipt->refused_until);
    for (const FeatureVector& vector : all->features) CHECK(vector.status == FeatureStatus::kNotFound);
    // The others, and what counts nobody by name.
    CHECK(events_in(*engine, EntityKind::kUser, "bob", "user_history") == 2);
    CHECK(events_in(*engine, EntityKind::kPlace, "bar", "place_visits") == 81);
    CHECK(events_in(*engine, EntityKind::kPlace, "cafe", "place_visits") == 2);
    REQUIRE(engine->close().ok());
    engine.reset();
    CHECK(test::files_with(folder / "state", kAnn) == std::vector<std::string>{});
    CHECK(test::files_with(folder / "state", in_hex(kAnn)) ==
          std::vector<std::string>{});  // RocksDB's log writes keys so
    CHECK_FALSE(fs::exists(folder / "state/erasing"));
    engine = open(options_in(folder / "state"));
    catch_up(*engine);
  }
}

TEST_CASE("retractions are told apart from events in an export, those that were refused too") {
  const test::TemporaryFolder folder;
  auto engine = open(options_in(folder / "state"));
  const auto with = [](const std::string& more) {
    const std::string plain = event(kAnn, "bar");
    return plain.substr(0, plain.size() - 1) + more + "}";
  };
  ingest(*engine, {with(R"(,"event_id":"e")"), with(R"(,"event_id":"e","value":3,"retract":true)"),
                   with(R"(,"event_id":"e","retract":true)"), event(kAnn, "bar")});
  catch_up(*engine);
  const auto all = engine->export_user({}, UserId(kAnn));
  REQUIRE(all.ok());
  std::vector<bool> retracts;
  for (const UserEvent& one : all->events) retracts.push_back(one.retracts);
  CHECK(retracts == std::vector<bool>{false, true, true, false});
  CHECK(all->refused_records.size() == 1);
}

TEST_CASE("a source that is read again brings nothing back of an erased user but what came later") {
  const test::TemporaryFolder folder;
  const auto far = std::chrono::time_point_cast<EventTime::duration>(std::chrono::system_clock::now()) + 1h;
  std::ofstream(folder / "events.ndjson") << event(kAnn, "bar") << '\n'
                                          << event("bob", "bar") << '\n'
                                          << event(kAnn, "cafe", kThen + 1) << '\n';
  EngineOptions options = options_in(folder / "state");
  options.files = {{"first", folder / "events.ndjson", true}};
  auto engine = open(options);
  catch_up(*engine);
  CHECK(events_in(*engine, EntityKind::kUser, kAnn, "user_history") == 2);
  REQUIRE(engine->erase_user({}, UserId(kAnn))->complete());
  engine.reset();
  // The same file under another name is another source, read from its beginning.
  options.files = {{"again", folder / "events.ndjson", true}};
  engine = open(options);
  catch_up(*engine);
  CHECK(events_in(*engine, EntityKind::kUser, kAnn, "user_history") == 0);
  CHECK(events_in(*engine, EntityKind::kUser, "bob", "user_history") == 2);
  CHECK(engine->status({}).events_of_erased == 2);
  // Nor does the API take it, and it writes nothing of it down.
  const std::string late = event(kAnn, "bar", kThen + 7);
  for (const std::string_view key : {"", "key"}) {
    const IngestAck ack = ingest(*engine, {late, event("bob", "cafe"), event(kAnn, "zoo", to_ms(far))}, key);
    CHECK(ack.accepted == 2);
    CHECK(ack.rejected == 1);
    CHECK(ack.rejections.at(0).index == 0);
    CHECK(ack.rejections.at(0).reason.starts_with("erased_user"));
  }
  catch_up(*engine);
  CHECK(events_in(*engine, EntityKind::kUser, kAnn, "user_history") == 2);  // of the hour to come
  CHECK(engine->export_user({}, UserId(kAnn))->events.size() == 2);
  REQUIRE(engine->erase_user({}, UserId(kAnn))->complete());
  engine.reset();
  CHECK(test::files_with(folder / "state", kAnn).empty());
}

TEST_CASE("a user whom nobody knows is erased too, and an id that is none is refused") {
  const test::TemporaryFolder folder;
  const auto engine = open(options_in(folder / "state"));
  CHECK(engine->erase_user({}, UserId("")).status().code() == StatusCode::kInvalidArgument);
  CHECK(engine->export_user({}, UserId("")).status().code() == StatusCode::kInvalidArgument);
  REQUIRE(engine->erase_user({}, UserId(kAnn))->complete());
  CHECK(ingest(*engine, {event(kAnn, "bar")}).rejected == 1);
}

TEST_CASE("events that are taken while their user is erased are there as a whole or not at all") {
  const test::TemporaryFolder folder;
  auto engine = open(options_in(folder / "state"));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string one = event(kAnn, "bar", kThen + i);
      const std::string_view view = one;
      CHECK(engine->ingest({}, std::span(&view, 1)).ok());
    }
  });
  for (int round = 0; round < 3; ++round) {
    REQUIRE(engine->erase_user({}, UserId(kAnn))->complete());
    CHECK(engine->export_user({}, UserId(kAnn))->events.empty());
  }
  stop = true;
  writer.join();
  catch_up(*engine);
  CHECK(events_in(*engine, EntityKind::kUser, kAnn, "user_history") == 0);
  engine.reset();
  CHECK(test::files_with(folder / "state", kAnn).empty());
}

TEST_CASE("a process that is killed while it erases a user has him erased after the next start") {
  const std::uint32_t seed = test::environment_number("CAIRN_TEST_SEED", 5);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
  std::mt19937 random(seed);
  for (int round = 0; round < 12; ++round) {
    const test::TemporaryFolder folder;
    {
      const auto engine = open(options_in(folder / "state"));
      fill(*engine);
    }
    int told[2];
    REQUIRE(::pipe(told) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto engine = Engine::open(options_in(folder / "state"));
      const char ready = engine.ok() ? 'r' : 'f';
      if (::write(told[1], &ready, 1) != 1) ::_exit(3);
      const bool erased = engine.ok() && (*engine)->erase_user({}, UserId(kAnn)).ok();
      const char done = erased ? 'd' : 'f';
      if (::write(told[1], &done, 1) != 1) ::_exit(3);
      for (;;) ::pause();
    }
    char state = 0;
    REQUIRE(::read(told[0], &state, 1) == 1);
    REQUIRE(state == 'r');
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));  // wherever that is in the erasure
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(told[0]);
    ::close(told[1]);
    const bool noted = fs::exists(folder / "state/erasing");
    auto engine = open(options_in(folder / "state"));
    catch_up(*engine);
    const bool marked = engine->export_user({}, UserId(kAnn))->refused_until.has_value();
    INFO("round ", round, " noted=", noted, " marked=", marked);
    if (noted) CHECK(marked);  // finished by the start alone
    if (!marked) REQUIRE(engine->erase_user({}, UserId(kAnn))->complete());
    CHECK(engine->status({}).erasures_pending == 0);
    CHECK(engine->export_user({}, UserId(kAnn))->events.empty());
    CHECK(events_in(*engine, EntityKind::kUser, kAnn, "user_history") == 0);
    CHECK(events_in(*engine, EntityKind::kUser, "bob", "user_history") == 2);
    CHECK(events_in(*engine, EntityKind::kPlace, "bar", "place_visits") == 81);
    engine.reset();
    CHECK(test::files_with(folder / "state", kAnn) == std::vector<std::string>{});
  }
}

}  // namespace
