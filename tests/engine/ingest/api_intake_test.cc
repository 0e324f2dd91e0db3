// From a caller's bytes over the log to a consumer's sink and to the dead letters.
#include "engine/ingest/api_intake.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/engine.h"
#include "engine/ingest/consumer.h"
#include "streaming/api_record.h"
#include "streaming/event_log.h"
#include "streaming/source.h"
#include "tests/support/memory_sink.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using ingest::ApiIntake;
using ingest::Consumer;

constexpr EventTime kNow = event_time_from_ms(1'700'000'000'000);  // 2023-11-14T22:13:20Z

std::string event(std::string_view place, std::string_view more = "") {
  return R"({"user_id":"u","place_id":")" + std::string(place) + R"(","type":"visit","ts":1700000000000)" +
         std::string(more) + "}";
}

/// A decoded record of an event that nobody accepted, as somebody who has read format.md would make it.
std::string imitation() {
  std::string record;
  streaming::append_decoded_record({UserId("u"), PlaceId("smuggled"), TypeIndex{2}, kNow, {}, {}, ""}, &record);
  return record;
}

struct Fixture {
  Fixture() {
    auto opened = streaming::open_event_log({.path = folder / "log", .free_bytes_min = 0, .log = {}});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    log = *std::move(opened);
  }
  IngestAck take(std::span<const std::string> events, const DecodeOptions& options = {}) {
    ApiIntake intake(types, options, IdempotencyOptions{}, clock, *log);
    const std::vector<std::string_view> views(events.begin(), events.end());
    auto ack = intake.take({}, views);
    REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
    return *std::move(ack);
  }
  /// Carries all that is in the log into the sink.
  void consume(const DecodeOptions& decode) {
    Consumer::Options options;
    options.consumer = "test";
    options.decode = decode;
    Consumer consumer(
        options, [this] { return streaming::make_log_source("api", *log, types); }, sink, types, clock);
    const Status drained = consumer.wait_passed(consumer.mark(), CallContext::within(60s));
    REQUIRE_MESSAGE(drained.ok(), drained.to_string());
  }

  test::TemporaryFolder folder;
  const InteractionTypes types;
  ManualClock clock{kNow};
  std::unique_ptr<streaming::EventLog> log;
  test::MemorySink sink;
};

TEST_CASE("what the intake has judged is neither parsed nor judged again, though options and clock have changed") {
  Fixture f;
  const std::vector<std::string> events{event("a"), "{broken", event("b"), event("a", R"(,"value":1.5)")};
  const IngestAck ack = f.take(events);
  CHECK(ack.accepted == 3);
  CHECK(ack.rejected == 1);
  // A consumer that would refuse every event that it parsed: for its size, and for its time.
  f.clock.set(event_time_from_ms(0));
  f.consume({.event_bytes_max = 1, .declared_types = {}});
  CHECK(f.sink.counts() == test::MemorySink::Counts{{"a", 2}, {"b", 1}});
  CHECK(f.sink.refused() == 1);
}

TEST_CASE("what the intake has refused stays refused") {
  Fixture f;
  const std::vector<std::string> events{event("a")};
  CHECK(f.take(events, {.event_bytes_max = 10, .declared_types = {}}).rejected == 1);
  f.consume({});
  CHECK(f.sink.counts().empty());
  CHECK(f.sink.refused() == 1);
}

/// Cancels a call when somebody asks it for the time, which is when an event is judged.
struct CancellingClock final : Clock {
  EventTime now() const override {
    call.request_stop();
    return kNow;
  }
  mutable std::stop_source call;
};

TEST_CASE("a call that is cancelled while its events are judged leaves none of them in the log") {
  Fixture f;
  const CancellingClock clock;
  ApiIntake intake(f.types, {}, IdempotencyOptions{}, clock, *f.log);
  CallContext context;
  context.cancelled = clock.call.get_token();
  const std::string payload = event("a");
  const std::string_view view = payload;
  const Offset before = f.log->end_offset();
  CHECK(intake.take(context, std::span(&view, 1)).status().code() == StatusCode::kCancelled);
  CHECK(f.log->end_offset() == before);
}

TEST_CASE("an event of an id that is reserved is taken when the reservation is over, and others at once") {
  Fixture f;
  ApiIntake intake(f.types, DecodeOptions{}, IdempotencyOptions{}, f.clock, *f.log);
  const auto take = [&](const std::string& one, const CallContext& context) {
    const std::string_view view = one;
    return intake.take(context, {&view, 1}).status().code();
  };
  const std::string reserved = event("p", R"(,"event_id":"mine")");
  const std::string other = event("p", R"(,"event_id":"other")");
  Interaction own{UserId("u"), PlaceId("q"), TypeIndex{2}, kNow, {}, {}, "mine"};
  Offset end;
  std::jthread waiting;
  {
    const ApiIntake::Reservation reservation(intake.reserved_ids(), "mine");
    intake.wait_for_callers();
    CHECK(take(reserved, CallContext::within(20ms)) == StatusCode::kDeadlineExceeded);
    CHECK(f.log->end_offset() == Offset{0});
    CHECK(intake.take_read(CallContext::within(20ms), {&own, 1}).status().code() == StatusCode::kDeadlineExceeded);
    CHECK(take(other, CallContext::within(60s)) == StatusCode::kOk);
    CHECK(take(event("p"), CallContext::within(60s)) == StatusCode::kOk);
    waiting = std::jthread([&] { CHECK(take(reserved, CallContext::within(60s)) == StatusCode::kOk); });
    REQUIRE(intake.take_read(CallContext::within(60s), {&own, 1}, &reservation).ok());
    end = f.log->end_offset();
    intake.wait_for_callers();  // who waits is not inside
  }
  waiting.join();
  CHECK(f.log->end_offset() > end);
  f.consume({});
  CHECK(f.sink.counts() == test::MemorySink::Counts{{"p", 3}, {"q", 1}});
}

TEST_CASE("a payload that imitates a record of the log is refused like any other garbage") {
  Fixture f;
  std::string twice;  // the imitation wrapped as a refused payload is
  streaming::append_refused_record(streaming::Reject::kBadId, "", imitation(), &twice);
  const std::vector<std::string> events{imitation(), twice, imitation() + event("a"), event("a")};
  const IngestAck ack = f.take(events);
  CHECK(ack.accepted == 1);
  REQUIRE(ack.rejections.size() == 3);
  for (const IngestAck::Rejection& one : ack.rejections) CHECK(one.reason.starts_with("malformed_json: "));
  f.consume({});
  CHECK(f.sink.counts() == test::MemorySink::Counts{{"a", 1}});
  CHECK(f.sink.refused() == 3);
}

TEST_CASE("the log grows by what was sent and 16 bytes an event, whatever is refused, and the words are found again") {
  Fixture f;
  std::vector<std::string> events;
  std::int64_t sent = 0;
  for (int i = 0; i < 500; ++i) {
    events.push_back("{\"x0\":" + std::to_string(i) + "}");    // "field 'user_id': is missing"
    events.push_back("{\"x" + std::to_string(i) + "\":\x01");  // "Within strings, some characters must be escaped, ..."
    events.push_back(event("a", R"(,"event_id":[)" + std::to_string(i) + "]"));
  }
  for (const std::string& one : events) sent += static_cast<std::int64_t>(one.size());
  const IngestAck ack = f.take(events);
  CHECK(ack.rejected == events.size());
  constexpr std::int64_t kFrame = 12 + 4;  // format.md
  CHECK(f.log->end_offset().value - f.log->begin_offset().value == sent + kFrame * static_cast<std::int64_t>(1500));
  f.consume({});
  CHECK(f.sink.refused() == events.size());
  REQUIRE(f.sink.details().size() == events.size());
  for (std::size_t i = 0; i < ack.rejections.size(); ++i) {
    const std::string& told = ack.rejections[i].reason;
    CHECK(told.substr(told.find(": ") + 2) == f.sink.details()[i]);
  }
}

TEST_CASE("the dead letter of a refused event has its payload as it came, and the reason that the caller was told") {
  struct Case {
    std::string payload;
    std::string reason;
    std::string detail;
    std::string kept;  ///< the letter's end, from the payload's key on
  };
  const std::string long_text(70'000, 'x');
  const std::vector<Case> cases{
      {"", "malformed_json", "empty payload", R"("payload":"")"},
      {"[1]", "not_an_object", "is an array, not an object", R"("payload":"[1]")"},
      {"{}", "missing_field", "field 'user_id': is missing", R"("payload":"{}")"},
      {R"({"user_id":"u","place_id":"p","type":"eat","ts":0})", "unknown_type",
       "field 'type': 'eat' is no known type; there are view, click, visit, rate, save, dismiss; declare it in "
       "[types], or map it to one in [mapping.types] (--type-map THEIRS=OURS)",
       R"("payload":"{\"user_id\":\"u\",\"place_id\":\"p\",\"type\":\"eat\",\"ts\":0}")"},
      {R"({"user_id":"u","place_id":"p","type":"view","ts":1700086400001})", "impossible_time",
       "field 'ts': 1700086400001 lies too far in the future: more than 24 h ahead of this server's clock "
       "(2023-11-14T22:13:20Z); set the sender's clock right, or raise decode.future_max",
       R"("payload":"{\"user_id\":\"u\",\"place_id\":\"p\",\"type\":\"view\",\"ts\":1700086400001}")"},
      // printf '\xff\xfe\x00' | base64
      {std::string("\xFF\xFE\0", 3), "malformed_json",
       "byte 1 is no UTF-8; send UTF-8, or convert a file (cairn ingest --encoding latin1)",
       R"("payload_base64":"//4A")"},
      {long_text, "oversized", "70000 bytes are more than the 65536 allowed",
       R"("payload":")" + long_text.substr(0, 65'536) + R"(","payload_bytes":70000)"},
  };
  const test::TemporaryFolder folder;
  const ManualClock clock(kNow);
  EngineOptions options;
  options.state_dir = folder.path();
  options.state.free_bytes_min = 1 << 20;
  std::vector<std::string> expected;
  {
    const auto engine = Engine::open(options, clock);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    std::string offset = "0";
    for (const Case& one : cases) {
      const std::string_view payload = one.payload;
      const auto ack = (*engine)->ingest({}, std::span(&payload, 1));
      REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
      REQUIRE(ack->rejections.size() == 1);
      CHECK(ack->rejections[0].reason == one.reason + ": " + one.detail);
      expected.push_back(R"({"source":"api","partition":0,"offset":)" + offset + R"(,"reason":")" + one.reason +
                         R"(","detail":")" + one.detail + R"(","seen":"2023-11-14T22:13:20.000Z",)" + one.kept + "}");
      offset = std::to_string(ack->reflected_at.position.offset.value);
    }
    REQUIRE((*engine)->wait_caught_up(CallContext::within(60s)).ok());
    REQUIRE((*engine)->close().ok());
  }
  std::ifstream letters(folder / "dead-letters.ndjson");
  std::vector<std::string> lines;
  for (std::string line; std::getline(letters, line);) lines.push_back(line);
  REQUIRE(lines.size() == expected.size());
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(lines[i] == expected[i]);
}

}  // namespace
