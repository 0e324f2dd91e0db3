// Calls with an idempotency key: each counts once, whatever happens between the call and its repeat.
#include "engine/ingest/api_intake_calls.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/ingest/api_intake.h"
#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;

constexpr EventTime kNow = event_time_from_ms(1'700'000'000'000);

std::string event(const std::string& place) {
  return R"({"user_id":"u","place_id":")" + place + R"(","type":"visit","ts":1700000000000})";
}

/// A log and an intake that come and go as a process does.
struct Fixture {
  Fixture() { open(); }

  void open() {
    intake.reset();
    log.reset();
    auto opened =
        streaming::open_event_log({.path = path, .segment_bytes = segment_bytes, .free_bytes_min = 0, .log = {}});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    log = *std::move(opened);
    intake = std::make_unique<ingest::ApiIntake>(types, decode, idempotency, clock, *log);
  }

  Result<IngestAck> take(const std::vector<std::string>& events, const std::string& key) {
    const std::vector<std::string_view> views(events.begin(), events.end());
    return intake->take(CallContext::within(60s), views, key);
  }

  /// The places of all events in the log, in order; "-" for a refused one.
  std::string places() const {
    const auto source = streaming::make_log_source("api", *log, types);
    REQUIRE(test::begin(*source).ok());
    std::string all;
    streaming::RecordBatch batch;
    do {
      const Status polled = source->poll(3, 0ms, &batch);
      REQUIRE_MESSAGE(polled.ok(), polled.to_string());
      for (const auto& record : batch.records) all += record.decoded ? record.decoded->place.str() : "-";
    } while (!batch.at_end);
    return all;
  }

  test::TemporaryFolder folder;
  std::string path = folder / "log";
  std::uint64_t segment_bytes = 1 << 20;
  const DecodeOptions decode;
  IdempotencyOptions idempotency;
  const InteractionTypes types;
  ManualClock clock{kNow};
  std::unique_ptr<streaming::EventLog> log;
  std::unique_ptr<ingest::ApiIntake> intake;
};

TEST_CASE("a call that comes again with its key takes nothing and is told what the first one was told") {
  Fixture f;
  const std::vector<std::string> events{event("a"), "{}", event("b")};
  const auto first = f.take(events, "k");
  REQUIRE(first.ok());
  CHECK_FALSE(first->repeated);
  CHECK(first->rejections.size() == 1);
  REQUIRE(f.take({event("c")}, "").ok());
  for (int round = 0; round < 3; ++round) {
    const auto again = f.take(events, "k");
    REQUIRE(again.ok());
    CHECK(again->repeated);
    CHECK(again->accepted == 2);
    CHECK(again->rejected == 1);
    CHECK(again->reflected_at.position == first->reflected_at.position);
    f.open();  // the third asks what the log itself has
  }
  CHECK(f.places() == "a-bc");
  CHECK_FALSE(f.take(events, "other key")->repeated);
  CHECK(f.places() == "a-bca-b");
}

TEST_CASE("a key that is used for other events is refused, and so is one that is too long") {
  Fixture f;
  REQUIRE(f.take({event("a"), event("b")}, "k").ok());
  CHECK(f.take({event("a")}, "k").status().code() == StatusCode::kInvalidArgument);
  CHECK(f.take({event("b"), event("a")}, "k").status().code() == StatusCode::kInvalidArgument);
  CHECK(f.take({event("a")}, std::string(256, 'k')).status().code() == StatusCode::kInvalidArgument);
  CHECK(f.take({event("c")}, std::string(255, 'k')).ok());
  CHECK(f.places() == "abc");
}

TEST_CASE("of a call that a crash tore, all events are kept or none, so that sending it again makes them count once") {
  Fixture f;
  REQUIRE(f.take({event("x")}, "before").ok());
  const std::vector<std::string> events{event("a"), event("b"), "{}"};
  const Offset before = f.log->end_offset();
  const std::string mark = f.folder / "acknowledged";  // as it was before the call was
  std::filesystem::copy_file(f.path + "/acknowledged", mark);
  REQUIRE(f.take(events, "k").ok());
  const Offset end = f.log->end_offset();
  f.intake.reset();
  f.log.reset();
  const std::string whole = f.folder / "whole";
  std::filesystem::copy(f.path, whole);
  for (Offset cut = before; cut <= end; ++cut.value) {
    INFO("cut to offset ", cut.value);
    std::filesystem::remove_all(f.path);
    std::filesystem::copy(whole, f.path);
    std::filesystem::remove(f.path + "/acknowledged");
    std::filesystem::copy_file(cut == end ? whole + "/acknowledged" : mark, f.path + "/acknowledged");
    std::filesystem::resize_file(f.path + "/00000000000000000000.events", static_cast<std::uintmax_t>(cut.value) + 24);
    f.open();
    CHECK(f.places() == (cut == end ? "xab-" : "x"));
    REQUIRE(f.take({event("y")}, "").ok());  // others go on meanwhile
    const auto again = f.take(events, "k");
    REQUIRE(again.ok());
    CHECK(again->repeated == (cut == end));
    CHECK(f.take({event("x")}, "before")->repeated);
    CHECK(f.places() == (cut == end ? "xab-y" : "xyab-"));
    f.intake.reset();
    f.log.reset();
  }
}

TEST_CASE("a key is known after the part of the log that had its events was removed, also after a restart") {
  Fixture f;
  f.segment_bytes = 1'000;
  f.open();
  const auto first = f.take({event("a")}, "k");
  REQUIRE(first.ok());
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 20; ++i) REQUIRE(f.take({event("b")}, "").ok());
    const Offset reached = f.log->end_offset();
    REQUIRE(f.intake->keep_calls(f.log->begin_after_trim(reached)).ok());
    REQUIRE(f.log->trim(reached).ok());
    if (round % 3 == 0) f.open();
  }
  f.open();
  REQUIRE(f.log->begin_offset() > first->reflected_at.position.offset);
  const auto again = f.take({event("a")}, "k");
  REQUIRE(again.ok());
  CHECK(again->repeated);
  CHECK(again->accepted == 1);
  CHECK(again->reflected_at.position == first->reflected_at.position);
}

TEST_CASE("calls that are written down again are so once for each part of the log that goes, not at every look") {
  Fixture f;
  f.segment_bytes = 500;
  f.open();
  REQUIRE(f.take({event("a")}, "k").ok());
  for (int i = 0; i < 20; ++i) REQUIRE(f.take({event("b")}, "").ok());
  const Offset begin = f.log->begin_after_trim(f.log->end_offset());
  REQUIRE(begin > Offset{0});
  const Offset before = f.log->end_offset();
  REQUIRE(f.intake->keep_calls(begin).ok());
  const Offset after = f.log->end_offset();
  CHECK(after > before);
  REQUIRE(f.intake->keep_calls(begin).ok());
  CHECK(f.log->end_offset() == after);
}

TEST_CASE("the oldest keys are forgotten when there are too many, and all after their time") {
  Fixture f;
  f.idempotency = {.calls_max = 3, .age_max = std::chrono::hours(2)};
  f.open();
  for (const char* key : {"1", "2", "3", "4"}) {
    REQUIRE(f.take({event("a")}, key).ok());
    f.clock.set(f.clock.now() + 1min);
  }
  CHECK_FALSE(f.take({event("a")}, "1")->repeated);  // and now it is known again, and 2 is not
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(f.take({event("a")}, "3")->repeated);
    CHECK(f.take({event("a")}, "4")->repeated);
    CHECK(f.take({event("a")}, "1")->repeated);
    f.open();
  }
  CHECK_FALSE(f.take({event("a")}, "2")->repeated);
  f.clock.set(f.clock.now() + 3h);
  CHECK_FALSE(f.take({event("a")}, "2")->repeated);
  f.open();
  CHECK_FALSE(f.take({event("a")}, "4")->repeated);
  CHECK(f.take({event("a")}, "2")->repeated);
}

TEST_CASE("calls with one key that come at once are taken once") {
  Fixture f;
  std::vector<std::thread> threads;
  std::vector<int> repeated(8);
  for (std::size_t i = 0; i < repeated.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < 20; ++call) {
        const auto ack = f.take({event("a")}, "key " + std::to_string(call));
        repeated[i] += ack.ok() && ack->repeated ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int all = 0;
  for (const int count : repeated) all += count;
  CHECK(all == 7 * 20);
  CHECK(f.places() == std::string(20, 'a'));
}

}  // namespace
