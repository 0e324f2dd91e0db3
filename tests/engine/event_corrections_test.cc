// Events that were wrong are taken back, or replaced, through the engine: the answers are those of an engine that the
// wrong events never came to.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;

constexpr auto kPatience = 60'000ms;
constexpr std::int64_t kThen = 1'700'000'000'000;

std::string event(const std::string& place, const std::string& id, std::int64_t ms = kThen,
                  const std::string& more = "") {
  return R"({"user_id":"ann","place_id":")" + place + R"(","type":"visit","ts":)" + std::to_string(ms) +
         (id.empty() ? "" : R"(,"event_id":")" + id + "\"") + more + "}";
}

std::unique_ptr<Engine> open(const test::TemporaryFolder& folder, std::vector<FileSourceOptions> files = {}) {
  EngineOptions options;
  options.state_dir = folder / "state";
  options.state.free_bytes_min = 0;
  options.files = std::move(files);
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  std::vector<Place> places;
  for (int i = 0; i < 20; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)), "", {40.7 + i * 0.001, -74.0}, i % 2 == 0 ? "cafe" : "bar"});
  }
  REQUIRE((*engine)->upsert_places({}, places).ok());
  return *std::move(engine);
}

/// With one place, p1. It remembers few ids: see make_forget().
std::unique_ptr<Engine> open_forgetful(const test::TemporaryFolder& folder) {
  EngineOptions options;
  options.state_dir = folder / "state";
  options.state.free_bytes_min = 0;
  options.decode.dedup_ids = 4;
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  REQUIRE((*engine)->upsert_places({}, std::vector<Place>{{PlaceId("p1"), "", {40.7, -74.0}, "cafe"}}).ok());
  return *std::move(engine);
}

void ingest(Engine& engine, const std::vector<std::string>& events) {
  const std::vector<std::string_view> views(events.begin(), events.end());
  const auto ack = engine.ingest({}, views);
  REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
  REQUIRE(ack->rejected == 0);
}

void catch_up(const Engine& engine) {
  const Status caught_up = engine.wait_caught_up(CallContext::within(kPatience));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
}

/// Twelve visits to p1, more0 to more11: what came before is remembered no more.
void make_forget(Engine& engine) {
  for (int i = 0; i < 12; ++i) ingest(engine, {event("p1", "more" + std::to_string(i))});
  catch_up(engine);
}

std::int64_t visits(const Engine& engine, const std::string& place) {
  const auto answer = engine.get_features({}, {EntityKind::kPlace, {place}, {"place_visits"}, {}});
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  std::int64_t events = 0;
  for (const FeatureEntry& entry : answer->entities.at(0).vectors.at(0).entries) events += entry.count;
  return events;
}

/// Places and scores, as somebody sees them.
std::string recommended_as(const Engine& engine, const RecommendRequest& request) {
  const auto answer = engine.recommend({}, request);
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  std::string text;
  for (const auto& item : answer->items) {
    char score[32];
    std::snprintf(score, sizeof score, " %.6f\n", item.score);
    text += item.place.id.str() + score;
  }
  return text;
}

std::string recommended(const Engine& engine) {
  RecommendRequest request{.user = UserId("ann"), .position = GeoPoint{40.71, -74.0}};
  request.time = event_time_from_ms(kThen + 3'600'000);
  return recommended_as(engine, request);
}

void wait_until_exact(const Engine& engine) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (engine.status({}).values_inexact > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(20ms);  // nobody is told when a chore has done it
  }
  CHECK(engine.status({}).values_inexact == 0);
}

TEST_CASE("an event is retracted by its id alone while the log holds it, and answers are those without it") {
  const test::TemporaryFolder with;
  const test::TemporaryFolder without;
  auto engine = open(with);
  auto wanted = open(without);
  for (int i = 0; i < 12; ++i) {
    ingest(*engine, {event("p" + std::to_string(i % 4), "e" + std::to_string(i), kThen + i)});
    ingest(*wanted, {event("p" + std::to_string(i % 4), "e" + std::to_string(i), kThen + i)});
  }
  catch_up(*wanted);
  const std::string fresh = recommended(*wanted);
  for (int i = 0; i < 9; ++i) ingest(*engine, {event("p15", "wrong" + std::to_string(i), kThen + 20 + i)});
  catch_up(*engine);
  const std::string wrong = recommended(*engine);
  CHECK(wrong != fresh);
  CHECK(recommended(*engine) == wrong);  // it is kept
  CHECK(visits(*engine, "p15") == 9);
  for (int i = 0; i < 9; ++i) {
    const auto ack =
        engine->correct_event({}, {.event_id = "wrong" + std::to_string(i), .original = {}, .replacement = {}});
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
    CHECK(ack->found_in == "event_log");
    CHECK(ack->replaced_by.empty());
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p15") == 0);
  CHECK(recommended(*engine) == fresh);
  CHECK(engine->status({}).events_retracted == 9);
  // A call that is repeated changes nothing more.
  REQUIRE(engine->correct_event({}, {.event_id = "wrong1", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  CHECK(engine->status({}).events_retracted == 9);
  REQUIRE(engine->close().ok());
  engine.reset();
  engine = open(with);
  catch_up(*engine);
  CHECK(recommended(*engine) == fresh);
}

TEST_CASE("an event that is in no place where it can be looked up is not found, and can be sent along") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  const auto unknown = engine->correct_event({}, {.event_id = "e", .original = {}, .replacement = {}});
  CHECK(unknown.status().code() == StatusCode::kNotFound);
  CHECK(unknown.status().message().find("send what it said") != std::string::npos);
  const std::string original = event("p1", "");
  const auto ack = engine->correct_event({}, {.event_id = "e", .original = original, .replacement = {}});
  REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
  CHECK(ack->found_in == "caller");
  // It comes later than its retraction.
  ingest(*engine, {event("p1", "e"), event("p1", "f")});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 1);
  CHECK(engine->status({}).events_withheld == 1);

  const std::string other = event("p1", "g");
  CHECK(engine->correct_event({}, {.event_id = "e", .original = other, .replacement = {}}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(engine->correct_event({}, {.event_id = "", .original = original, .replacement = {}}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(engine->correct_event({}, {.event_id = "f", .original = "{}", .replacement = {}}).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("what stands in the place of an event counts once, however often it is sent") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "e")});
  const std::string instead = event("p2", "e", kThen + 5);
  std::string made;
  for (int again = 0; again < 2; ++again) {
    const auto ack = engine->correct_event({}, {.event_id = "e", .original = {}, .replacement = instead});
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
    CHECK(ack->replaced_by != "e");
    CHECK((made.empty() || made == ack->replaced_by));
    made = ack->replaced_by;
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p2") == 1);
  // And it can be replaced by an event with an id of its own.
  const std::string at_last = event("p3", "own");
  CHECK(engine->correct_event({}, {.event_id = made, .original = {}, .replacement = at_last})->replaced_by == "own");
  catch_up(*engine);
  CHECK(visits(*engine, "p2") == 0);
  CHECK(visits(*engine, "p3") == 1);
}

TEST_CASE("what was replaced or retracted before is not replaced by something else, at the same time neither") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "e"), event("p4", "gone")});
  std::vector<std::string> made(8);
  {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < made.size(); ++i) {
      callers.emplace_back([&, i] {
        const std::string instead = event("p" + std::to_string(10 + i), "");
        const auto ack = engine->correct_event({}, {.event_id = "e", .original = {}, .replacement = instead});
        made[i] = ack.ok() ? ack->replaced_by : ack.status().to_string();
      });
    }
  }
  catch_up(*engine);
  std::int64_t counted = 0;
  std::string first;
  for (std::size_t i = 0; i < made.size(); ++i) {
    counted += visits(*engine, "p" + std::to_string(10 + i));
    if (made[i].starts_with("e~")) first = made[i];
  }
  CHECK(counted == 1);
  REQUIRE_FALSE(first.empty());
  for (const std::string& one : made) {
    CHECK((one == first || one == "ALREADY_EXISTS: event 'e' was retracted before, and '" + first +
                                      "' stands in its place; correct that one"));
  }
  CHECK(std::count(made.begin(), made.end(), first) == 1);

  REQUIRE(engine->correct_event({}, {.event_id = "gone", .original = {}, .replacement = {}}).ok());
  const std::string late = event("p5", "");
  CHECK(engine->correct_event({}, {.event_id = "gone", .original = {}, .replacement = late}).status().code() ==
        StatusCode::kAlreadyExists);
  catch_up(*engine);
  CHECK(visits(*engine, "p5") == 0);
}

TEST_CASE("an original that says something else than what came is refused, and takes nothing out") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "e"), event("p2", "f")});
  const std::string of_another = event("p2", "");
  const auto refused = engine->correct_event({}, {.event_id = "e", .original = of_another, .replacement = {}});
  CHECK(refused.status().code() == StatusCode::kInvalidArgument);
  CHECK(refused.status().message().find("came with another user, place") != std::string::npos);
  const std::string same = event("p1", "");
  CHECK(engine->correct_event({}, {.event_id = "e", .original = same, .replacement = {}}).ok());
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p2") == 1);
}

TEST_CASE("an event that counts as several goes whole from a history in which another one of that moment stays") {
  const test::TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder / "state";
  options.state.free_bytes_min = 0;
  options.decode.declared_types = {"purchase"};
  options.decode.counts_as["purchase"] = {"visit", 5};
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  REQUIRE((*engine)->upsert_places({}, std::vector<Place>{{PlaceId("p1"), "", {40.7, -74.0}, "cafe"}}).ok());
  const auto history = [&] {
    catch_up(**engine);
    const auto answer = (*engine)->get_features({}, {EntityKind::kUser, {"ann"}, {"user_history"}, {}});
    std::int64_t events = 0;
    for (const FeatureEntry& entry : answer->entities.at(0).vectors.at(0).entries) events += entry.count;
    return events;
  };
  std::string bought = event("p1", "a");
  bought.replace(bought.find("visit"), 5, "purchase");
  ingest(**engine, {bought, event("p1", "b")});
  CHECK(history() == 6);
  REQUIRE((*engine)->correct_event({}, {.event_id = "a", .original = {}, .replacement = {}}).ok());
  CHECK(history() == 1);
  REQUIRE((*engine)->correct_event({}, {.event_id = "b", .original = {}, .replacement = {}}).ok());
  CHECK(history() == 0);
}

TEST_CASE("a stream retracts events of other sources, and what cannot be applied goes to the dead letters") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p1", "mine", kThen, R"(,"retract":true)") << '\n'
                                          << event("p2", "theirs", kThen, R"(,"retract":true)") << '\n'
                                          << event("p2", "kept", kThen, R"(,"retract":false)") << '\n'
                                          << event("p2", "", kThen, R"(,"retract":true)") << '\n'
                                          << event("p2", "odd", kThen, R"(,"retract":"yes")") << '\n'
                                          << event("p1", "mine") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  ingest(*engine, {event("p2", "theirs")});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p2") == 1);
  const EngineStatus status = engine->status({});
  CHECK(status.events_rejected == 2);
  REQUIRE(status.rejected_by_reason.size() == 1);
  CHECK(status.rejected_by_reason[0].reason == "bad_retraction");
  CHECK(status.events_retracted + status.events_withheld == 2);
}

TEST_CASE("a retraction by stream that says something else than its event is refused, and the right one still counts") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p1", "a") << '\n'
                                          << event("p2", "b") << '\n'
                                          << event("p2", "a", kThen, R"(,"retract":true)") << '\n'
                                          << event("p1", "a", kThen + 1, R"(,"retract":true)") << '\n'
                                          << event("p2", "", kThen, R"(,"retract":true)") << '\n'
                                          << event("p1", "a", kThen, R"(,"retract":true,"value":3)") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 1);
  CHECK(visits(*engine, "p2") == 1);
  EngineStatus status = engine->status({});
  CHECK(status.events_retracted == 0);
  CHECK(status.events_rejected == 4);
  const auto refused = [&] {
    for (const RejectedRecords& one : status.rejected_by_reason) {
      if (one.reason == "mismatched_retraction") return one.came;
    }
    return std::uint64_t{0};
  };
  CHECK(refused() == 3);
  // By the API it is told at once, also where the log does not know the event.
  const std::string of_another = event("p2", "");
  const auto wrong = engine->correct_event({}, {.event_id = "a", .original = of_another, .replacement = {}});
  CHECK(wrong.status().code() == StatusCode::kInvalidArgument);
  ingest(*engine, {event("p2", "a", kThen, R"(,"retract":true)")});
  catch_up(*engine);
  status = engine->status({});
  CHECK(refused() == 4);
  ingest(*engine, {event("p1", "a", kThen, R"(,"retract":true)")});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p2") == 1);
  status = engine->status({});
  CHECK(status.events_retracted == 1);
  CHECK(refused() == 4);
}

TEST_CASE(
    "a correction whose event the log tells otherwise than it counted is refused, and taken when told what counted") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p1", "a") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  catch_up(*engine);
  ingest(*engine, {event("p2", "a")});  // a repeat, which changes nothing
  catch_up(*engine);
  const auto by_id = engine->correct_event({}, {.event_id = "a", .original = {}, .replacement = {}});
  CHECK(by_id.status().code() == StatusCode::kInvalidArgument);
  CHECK(visits(*engine, "p1") == 1);
  const std::string counted = event("p1", "");
  const auto told = engine->correct_event({}, {.event_id = "a", .original = counted, .replacement = {}});
  REQUIRE_MESSAGE(told.ok(), told.status().to_string());
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p2") == 0);
}

TEST_CASE(
    "what another source retracted is not replaced once more, and what was retracted here may be retracted again") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p1", "a", kThen, R"(,"retract":true)") << '\n'
                                          << event("p2", "b") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  catch_up(*engine);
  ingest(*engine, {event("p1", "a")});
  catch_up(*engine);
  const std::string instead = event("p3", "c");
  const auto replaced = engine->correct_event({}, {.event_id = "a", .original = {}, .replacement = instead});
  CHECK(replaced.status().code() == StatusCode::kAlreadyExists);
  const Status by_id = engine->correct_event({}, {.event_id = "b", .original = {}, .replacement = {}}).status();
  CHECK(by_id.code() == StatusCode::kNotFound);
  CHECK(by_id.message().find("'b' counts, but what it said is not in what the API's log still holds") == 6);
  const std::string counted = event("p2", "");
  REQUIRE(engine->correct_event({}, {.event_id = "b", .original = counted, .replacement = {}}).ok());
  catch_up(*engine);
  const auto again = engine->correct_event({}, {.event_id = "b", .original = {}, .replacement = {}});
  REQUIRE_MESSAGE(again.ok(), again.status().to_string());
  catch_up(*engine);
  for (const char* place : {"p1", "p2", "p3"}) CHECK(visits(*engine, place) == 0);
  CHECK(engine->status({}).events_retracted == 1);
}

TEST_CASE("what is taken out is what was counted, whatever the type counts as by now") {
  const test::TemporaryFolder folder;
  const auto open_with = [&](std::uint32_t weight) {
    EngineOptions options;
    options.state_dir = folder / "state";
    options.state.free_bytes_min = 0;
    options.decode.declared_types = {"purchase"};
    if (weight > 0) options.decode.counts_as["purchase"] = {"visit", weight};
    auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    return *std::move(engine);
  };
  const auto purchase = [](const std::string& id, std::int64_t ms) {
    std::string bought = event("p1", id, ms);
    return bought.replace(bought.find("visit"), 5, "purchase");
  };
  {
    auto engine = open_with(5);
    REQUIRE(engine->upsert_places({}, std::vector<Place>{{PlaceId("p1"), "", {40.7, -74.0}, "cafe"}}).ok());
    ingest(*engine, {purchase("five", kThen), event("p1", "stays", kThen + 10)});
    catch_up(*engine);
    CHECK(visits(*engine, "p1") == 6);
  }
  {
    auto engine = open_with(0);
    ingest(*engine, {purchase("none", kThen + 1)});
    catch_up(*engine);
    CHECK(visits(*engine, "p1") == 6);
  }
  auto engine = open_with(2);
  ingest(*engine, {purchase("two", kThen + 2)});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 8);
  const auto retract = [&](const char* id) {
    REQUIRE(engine->correct_event({}, {.event_id = id, .original = {}, .replacement = {}}).ok());
    catch_up(*engine);
    return visits(*engine, "p1");
  };
  CHECK(retract("five") == 3);
  CHECK(retract("none") == 3);
  CHECK(retract("two") == 1);
  CHECK(retract("stays") == 0);
  CHECK(engine->status({}).retracted_values_lost == 0);
}

TEST_CASE("an event whose retraction was refused can be replaced, once, and the replacement counts once") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "e"), event("p2", "e", kThen, R"(,"retract":true)"),
                   event("p1", "e", kThen, R"(,"lat":40.5,"lon":-74.5,"retract":true)")});
  catch_up(*engine);
  CHECK(engine->status({}).events_rejected == 2);
  CHECK(visits(*engine, "p1") == 1);
  const std::string instead = event("p3", "");
  for (int again = 0; again < 2; ++again) {
    const auto ack = engine->correct_event({}, {.event_id = "e", .original = {}, .replacement = instead});
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p3") == 1);
  CHECK(engine->status({}).events_retracted == 1);
  // Now it was retracted.
  const std::string another = event("p4", "");
  CHECK(engine->correct_event({}, {.event_id = "e", .original = {}, .replacement = another}).status().code() ==
        StatusCode::kAlreadyExists);
}

TEST_CASE("a replacement whose event_id came before is refused by name, and the same call once more is not") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p5", "by_file") << '\n'
                                          << event("p5", "gone_by_file", kThen, R"(,"retract":true)") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  ingest(*engine, {event("p1", "e"), event("p2", "taken"), event("p2", "gone", kThen, R"(,"retract":true)")});
  catch_up(*engine);
  const auto replace = [&](const std::string& id, const std::string& instead) {
    return engine->correct_event({}, {.event_id = id, .original = {}, .replacement = instead}).status();
  };
  for (const std::string id : {"taken", "gone", "by_file", "gone_by_file"}) {
    CAPTURE(id);
    const Status refused = replace("e", event("p3", id));
    CHECK(refused.code() == StatusCode::kAlreadyExists);
    CHECK(refused.message().find("event_id '" + id + "' came before") != std::string::npos);
    CHECK(refused.message().find("give it an event_id of its own") != std::string::npos);
  }
  // Also with what came: it counts already, and would not once more.
  CHECK(replace("e", event("p2", "taken")).code() == StatusCode::kAlreadyExists);
  CHECK(replace("e", event("p5", "by_file")).code() == StatusCode::kAlreadyExists);
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 1);
  CHECK(visits(*engine, "p3") == 0);

  for (int again = 0; again < 3; ++again) {
    const Status replaced = replace("e", event("p3", "own"));
    CHECK_MESSAGE(replaced.ok(), replaced.to_string());
    if (again == 1) catch_up(*engine);
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p3") == 1);
  const Status other = replace("e", event("p4", "own"));
  CHECK(other.to_string() ==
        "ALREADY_EXISTS: event 'e' was retracted before, and 'own' came before with something else; correct that one");
  // Another event is not replaced by what replaced this one.
  CHECK(replace("taken", event("p3", "own")).code() == StatusCode::kAlreadyExists);
  catch_up(*engine);
  CHECK(visits(*engine, "p2") == 1);
  CHECK(visits(*engine, "p3") == 1);
  CHECK(visits(*engine, "p4") == 0);
}

TEST_CASE("a retraction that is read before the event of another source withholds it when it says the same, or not") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p2", "a", kThen, R"(,"retract":true)") << '\n'
                                          << event("p1", "b", kThen, R"(,"retract":true)") << '\n'
                                          << event("p2", "b", kThen, R"(,"retract":true)") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  catch_up(*engine);
  ingest(*engine, {event("p1", "a"), event("p1", "b")});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 1);
  CHECK(engine->status({}).events_withheld == 1);
  CHECK(engine->status({}).retractions_unmatched == 3);
  // It counts, so it can be replaced; and the other was retracted.
  const std::string instead = event("p3", "");
  const auto replaced = engine->correct_event({}, {.event_id = "a", .original = {}, .replacement = instead});
  REQUIRE_MESSAGE(replaced.ok(), replaced.status().to_string());
  CHECK(engine->correct_event({}, {.event_id = "b", .original = {}, .replacement = instead}).status().code() ==
        StatusCode::kAlreadyExists);
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p3") == 1);
}

TEST_CASE(
    "an event and a replacement that are given one event_id at the same time: who is told that it replaces counts") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  int replaced = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const std::string id = "e" + std::to_string(round);
    const std::string own = "own" + std::to_string(round);
    // Of a place each: what counts is told by where.
    ingest(*engine, {event("p1", id, kThen + round)});
    StatusCode answer{};
    std::atomic<int> ready{0};
    {
      const auto together = [&] {
        ++ready;
        while (ready < 4) std::this_thread::yield();
      };
      std::vector<std::jthread> callers;
      callers.emplace_back([&] {
        together();
        const std::string instead = event("p2", own, kThen + round);
        answer = engine->correct_event({}, {.event_id = id, .original = {}, .replacement = instead}).status().code();
      });
      for (int other = 0; other < 3; ++other) {
        callers.emplace_back([&, other] {
          together();
          ingest(*engine, {event("p4", "plain" + std::to_string(3 * round + other)), event("p3", own)});
        });
      }
    }
    catch_up(*engine);
    const bool took = answer == StatusCode::kOk;
    CHECK((took || answer == StatusCode::kAlreadyExists));
    replaced += took ? 1 : 0;
    CHECK(visits(*engine, "p2") == replaced);
    CHECK(visits(*engine, "p3") == round + 1 - replaced);
    CHECK(visits(*engine, "p1") == round + 1 - replaced);
    CHECK(visits(*engine, "p4") == 3 * (round + 1));
  }
  MESSAGE(replaced, " of 40 replaced");
}

TEST_CASE(
    "what was replaced by a call that told what counted is not replaced once more, whatever the log tells of it") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson") << event("p1", "a") << '\n';
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  catch_up(*engine);
  ingest(*engine, {event("p2", "a")});  // a repeat, which the log has and which changes nothing
  const std::string counted = event("p1", "");
  const auto replace = [&](const std::string& place) {
    const std::string instead = event(place, "");
    return engine->correct_event({}, {.event_id = "a", .original = counted, .replacement = instead}).status().code();
  };
  CHECK(replace("p3") == StatusCode::kOk);
  CHECK(replace("p4") == StatusCode::kAlreadyExists);
  catch_up(*engine);
  CHECK(replace("p4") == StatusCode::kAlreadyExists);
  CHECK(replace("p3") == StatusCode::kOk);  // the same call once more
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p3") == 1);
  CHECK(visits(*engine, "p4") == 0);
}

TEST_CASE("an original that has another position than what the log knows is refused, and leaves nothing that counts") {
  const test::TemporaryFolder folder;
  auto engine = open_forgetful(folder);
  ingest(*engine, {event("p1", "a", kThen, R"(,"lat":40.5,"lon":-74.25)")});
  make_forget(*engine);
  const std::string elsewhere = event("p1", "", kThen, R"(,"lat":40.5,"lon":-74.5)");
  const std::string nowhere = event("p1", "");
  const std::string instead = event("p2", "");
  for (const std::string& one : {elsewhere, nowhere}) {
    const auto refused = engine->correct_event({}, {.event_id = "a", .original = one, .replacement = instead});
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find("position") != std::string::npos);
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 13);
  CHECK(visits(*engine, "p2") == 0);
}

TEST_CASE("an event whose id is forgotten is not taken out, and whoever asks is told so, with nothing changed") {
  const test::TemporaryFolder folder;
  auto engine = open_forgetful(folder);
  ingest(*engine, {event("p1", "a")});
  const auto correct = [&](const std::string& id, const std::string& original, const std::string& replacement) {
    return engine->correct_event({}, {.event_id = id, .original = original, .replacement = replacement})
        .status()
        .code();
  };
  make_forget(*engine);
  const std::string said = event("p1", "");
  const std::string instead = event("p2", "");
  CHECK(correct("a", "", "") == StatusCode::kFailedPrecondition);
  CHECK(correct("a", said, "") == StatusCode::kFailedPrecondition);
  CHECK(correct("a", "", instead) == StatusCode::kFailedPrecondition);
  CHECK(correct("a", said, instead) == StatusCode::kFailedPrecondition);
  CHECK(correct("comes", said, "") == StatusCode::kOk);  // that has not come yet
  CHECK(correct("more11", "", instead) == StatusCode::kOk);
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 12);
  CHECK(visits(*engine, "p2") == 1);
}

TEST_CASE("a wrong retraction that came first tells nothing of the event, and keeps no right one out") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p2", "x", kThen, R"(,"retract":true)"), event("p2", "y", kThen, R"(,"retract":true)")});
  catch_up(*engine);
  CHECK(engine->correct_event({}, {.event_id = "x", .original = {}, .replacement = {}}).status().code() ==
        StatusCode::kNotFound);
  const std::string right = event("p1", "");
  const std::string instead = event("p3", "");
  CHECK(engine->correct_event({}, {.event_id = "x", .original = right, .replacement = {}}).ok());
  CHECK(engine->correct_event({}, {.event_id = "y", .original = right, .replacement = instead}).ok());
  ingest(*engine, {event("p1", "x"), event("p1", "y")});
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 0);
  CHECK(visits(*engine, "p3") == 1);
}

TEST_CASE("a replacement that was retracted since does not count by the same call once more, and that says so") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "a")});
  const std::string instead = event("p2", "b");
  const auto replace = [&] {
    return engine->correct_event({}, {.event_id = "a", .original = {}, .replacement = instead}).status().code();
  };
  CHECK(replace() == StatusCode::kOk);
  CHECK(replace() == StatusCode::kOk);
  CHECK(engine->correct_event({}, {.event_id = "b", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  CHECK(replace() == StatusCode::kAlreadyExists);
}

TEST_CASE("scores are as before when the only event of a category was taken back") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  REQUIRE(engine->upsert_places({}, std::vector<Place>{{PlaceId("one"), "", {40.71, -74.0}, "museum"}}).ok());
  for (int i = 0; i < 5; ++i) ingest(*engine, {event("p" + std::to_string(i), "e" + std::to_string(i), kThen + i)});
  catch_up(*engine);
  const std::string before = recommended(*engine);
  ingest(*engine, {R"({"user_id":"zoe","place_id":"one","type":"visit","ts":1700000000000,"event_id":"z"})"});
  REQUIRE(engine->correct_event({}, {.event_id = "z", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  RecommendRequest request{.user = UserId("ann"), .position = GeoPoint{40.71, -74.0}};
  request.time = event_time_from_ms(kThen + 3'600'000);
  request.max_staleness = 0ms;
  CHECK(recommended_as(*engine, request) == before);
}

TEST_CASE("a newest time is not found among events that were erased with their place") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "events.ndjson").flush();
  auto engine = open(folder, {{"stream", folder / "events.ndjson", true}});
  ingest(*engine, {event("p1", "", kThen)});
  catch_up(*engine);
  REQUIRE(engine->delete_places({}, std::vector<PlaceId>{PlaceId("p1")}, PlaceHistory::kErase).ok());
  REQUIRE(engine->upsert_places({}, std::vector<Place>{{PlaceId("p1"), "", {40.7, -74.0}, "cafe"}}).ok());
  std::ofstream(folder / "events.ndjson", std::ios::app) << event("p1", "x", kThen + 7'200'000) << '\n';
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (visits(*engine, "p1") == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  ingest(*engine, {event("p1", "y", kThen + 10'800'000)});
  REQUIRE(engine->correct_event({}, {.event_id = "y", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  // The log has as many events of the place as count, and they are others. A second retraction lets the chore run.
  ingest(*engine, {event("p2", "z1", kThen), event("p2", "z2", kThen + 5'000)});
  REQUIRE(engine->correct_event({}, {.event_id = "z2", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  const auto newest_of = [&](const std::string& place) {
    const auto answer = engine->get_features({}, {EntityKind::kPlace, {place}, {"place_visits"}, {}});
    return answer->entities.at(0).vectors.at(0).entries.at(0).newest;
  };
  while (newest_of("p2") != event_time_from_ms(kThen) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(20ms);  // nobody is told when a chore has done it
  }
  CHECK(newest_of("p2") == event_time_from_ms(kThen));
  CHECK(newest_of("p1") == event_time_from_ms(kThen + 10'800'000));  // a bound
}

TEST_CASE("events of others are found by their id when somebody was erased, also after a restart") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  for (int i = 0; i < 6; ++i) ingest(*engine, {event("p1", "e" + std::to_string(i), kThen + i)});
  // At a place of his own: what he leaves in counts of places is in no log.
  ingest(*engine, {R"({"user_id":"bob","place_id":"elsewhere","type":"visit","ts":1700000000000,"event_id":"b"})"});
  catch_up(*engine);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(engine->erase_user({}, UserId("bob"))->complete());
    REQUIRE(engine->checkpoint({}, folder / "copy").ok());  // puts what there is into table files
    std::filesystem::remove_all(folder / "copy");
    engine.reset();
    engine = open(folder);
    catch_up(*engine);
    const auto found =
        engine->correct_event({}, {.event_id = "e" + std::to_string(5 - round), .original = {}, .replacement = {}});
    REQUIRE_MESSAGE(found.ok(), found.status().to_string());
    CHECK(found->found_in == "event_log");
    catch_up(*engine);
    CHECK(visits(*engine, "p1") == 5 - round);
    wait_until_exact(*engine);  // a chore, and those before it trim
  }
  CHECK(engine->correct_event({}, {.event_id = "b", .original = {}, .replacement = {}}).status().code() ==
        StatusCode::kNotFound);
}

TEST_CASE("a history that is mended keeps the event whose retraction was refused, and not those that were taken back") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  // Of "early" nothing counts: its retraction came first. A repeat of "kept" says something else, and counts not.
  ingest(*engine, {event("p1", "oldest", kThen), event("p1", "early", kThen + 9'000, R"(,"retract":true)"),
                   event("p1", "kept", kThen + 2'000), event("p1", "kept", kThen + 8'000),
                   event("p1", "early", kThen + 9'000), event("p2", "kept", kThen, R"(,"retract":true)"),
                   event("p1", "kept", kThen + 8'000, R"(,"retract":true)"), event("p1", "new", kThen + 5'000)});
  REQUIRE(engine->correct_event({}, {.event_id = "new", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  wait_until_exact(*engine);
  CHECK(engine->status({}).events_rejected == 2);
  const auto answer = engine->get_features({}, {EntityKind::kPlace, {"p1"}, {"place_visits"}, {}});
  const FeatureEntry& entry = answer->entities.at(0).vectors.at(0).entries.at(0);
  CHECK(entry.count == 2);
  CHECK(entry.newest == event_time_from_ms(kThen + 2'000));
}

TEST_CASE("a newest time that a retracted event had made is found anew in the log, by itself") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "old", kThen), event("p1", "new", kThen + 5'000)});
  REQUIRE(engine->correct_event({}, {.event_id = "new", .original = {}, .replacement = {}}).ok());
  catch_up(*engine);
  wait_until_exact(*engine);
  const auto answer = engine->get_features({}, {EntityKind::kPlace, {"p1"}, {"place_visits"}, {}});
  CHECK(answer->entities.at(0).vectors.at(0).entries.at(0).newest == event_time_from_ms(kThen));
}

TEST_CASE("values of events that came before their place are exact after a retraction, wherever they are by then") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("late", "e1", kThen), event("late", "e2", kThen + 1'000), event("late", "e3", kThen + 2'000)});
  catch_up(*engine);
  const auto retract = [&] {
    const auto ack = engine->correct_event({}, {.event_id = "e3", .original = {}, .replacement = {}});
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
    catch_up(*engine);
  };
  const auto import = [&] {
    REQUIRE(engine->upsert_places({}, std::vector<Place>{{PlaceId("late"), "", {50.7, 7.0}, "zoo"}}).ok());
  };
  SUBCASE("the place has come") {
    import();
    retract();
  }
  SUBCASE("the place comes later") {
    retract();
    import();
  }
  wait_until_exact(*engine);
  CHECK(engine->status({}).retracted_values_lost == 0);
  for (const auto& [kind, id, view, dimension] : {std::tuple{EntityKind::kUser, "ann", "user_category_affinity", "zoo"},
                                                  std::tuple{EntityKind::kUser, "ann", "user_cell_affinity", "u1hbrm"},
                                                  std::tuple{EntityKind::kPlace, "late", "place_visits", ""},
                                                  std::tuple{EntityKind::kCell, "u1hbrm", "cell_visits_30d", ""}}) {
    CAPTURE(view);
    const auto answer = engine->get_features({}, {kind, {id}, {view}, {}});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    const FeatureEntries& entries = answer->entities.at(0).vectors.at(0).entries;
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].dimension == dimension);
    CHECK(entries[0].count == 2);
    CHECK(entries[0].newest == event_time_from_ms(kThen + 1'000));
  }
}

TEST_CASE("what began anew after an event had come is left alone when the event is retracted") {
  const test::TemporaryFolder folder;
  auto engine = open(folder);
  ingest(*engine, {event("p1", "erased", kThen), event("p2", "undeclared", kThen)});
  catch_up(*engine);
  REQUIRE(engine->delete_places({}, std::vector<PlaceId>{PlaceId("p1")}, PlaceHistory::kErase).ok());
  REQUIRE(engine->close().ok());
  engine.reset();
  EngineOptions options;
  options.state_dir = folder / "state";
  options.state.free_bytes_min = 0;
  options.feature_views = {{.name = "place_types", .entity = EntityKind::kPlace, .dimension = Dimension::kType}};
  auto opened = Engine::open(options);
  REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
  engine = *std::move(opened);
  ingest(*engine, {event("p1", "again", kThen + 1'000), event("p2", "declared", kThen + 1'000)});
  catch_up(*engine);
  for (const char* id : {"erased", "undeclared"}) {
    REQUIRE(engine->correct_event({}, {.event_id = id, .original = {}, .replacement = {}}).ok());
  }
  catch_up(*engine);
  CHECK(visits(*engine, "p1") == 1);
  CHECK(visits(*engine, "p2") == 1);
  const auto answer = engine->get_features({}, {EntityKind::kPlace, {"p2"}, {"place_types"}, {}});
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  CHECK(answer->entities.at(0).vectors.at(0).entries.at(0).count == 1);
  CHECK(engine->status({}).events_retracted == 2);
  CHECK(engine->status({}).retracted_values_lost == 0);
}

}  // namespace
