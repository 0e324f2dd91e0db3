#include "engine/ingest/consumers.h"

#include <doctest/doctest.h>

#include <atomic>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/memory_sink.h"
#include "tests/support/memory_source.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using ingest::Consumer;
using ingest::Consumers;
using test::MemorySink;
using test::MemoryTopic;

constexpr Partition kOnly{0};

const std::string kEvent = R"({"user_id":"u","place_id":"p","type":"visit","ts":1000000000000})";

/// Two topics and what they are read with.
struct Fixture {
  MemoryTopic first{"first", std::span(&kOnly, 1)};
  MemoryTopic second{"second", std::span(&kOnly, 1)};
  InteractionTypes types;
  ManualClock clock{event_time_from_ms(1'700'000'000'000)};

  std::vector<Consumer::ConfiguredSource> sources() {
    return {{[this] { return first.source(); }}, {[this] { return second.source(); }, /*required=*/false}};
  }
};

TEST_CASE("consumers are found by their source, by their name and by their sink") {
  Fixture f;
  MemorySink sink;
  const Consumers consumers({.consumer = "test"}, f.sources(), sink, f.types, f.clock);
  const auto sources = [](const std::vector<Consumer*>& found) {
    std::vector<std::string> names;
    for (const Consumer* one : found) names.push_back(one->source());
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(sources(consumers.named("first")) == Names{"first"});
  CHECK(sources(consumers.named("test:second")) == Names{"second"});
  CHECK(sources(consumers.named("other:second")).empty());
  CHECK(sources(consumers.named("")).empty());
  CHECK(sources(consumers.of_sink("test")) == Names{"first", "second"});
  CHECK(sources(consumers.of_sink("first")).empty());
  std::vector<ConsumerHealth> health;
  consumers.append_health(&health);
  REQUIRE(health.size() == 2);
  CHECK(health[0].required);
  CHECK_FALSE(health[1].required);
}

TEST_CASE("all are waited for, and how far each has come is told by its source") {
  Fixture f;
  MemorySink sink;
  const Consumers consumers({.consumer = "test"}, f.sources(), sink, f.types, f.clock);
  for (int i = 0; i < 3; ++i) f.first.append(kOnly, kEvent);
  for (int i = 0; i < 5; ++i) f.second.append(kOnly, kEvent);
  REQUIRE(consumers.wait_passed(consumers.marks(), CallContext::within(60s)).ok());
  CHECK(consumers.reached("first") == Offset{3});
  CHECK(consumers.reached("second") == Offset{5});
  CHECK(consumers.reached("third") == Offset{0});
  std::vector<ConsumerStatus> status;
  consumers.append_status(&status);
  REQUIRE(status.size() == 2);
  CHECK(status[0].source == "first");
  CHECK(status[1].source == "second");
  CHECK(consumers.trouble().empty());

  sink.fail_with(StatusCode::kUnavailable);
  f.second.append(kOnly, kEvent);
  const Status waited = consumers.wait_passed(consumers.marks(), CallContext::within(1ms));
  CHECK(waited.code() == StatusCode::kDeadlineExceeded);
  while (consumers.trouble().empty()) std::this_thread::yield();
  CHECK(consumers.trouble() == "second: UNAVAILABLE: as told");
}

/// Holds the first source's batch until the second one's reader is gone.
struct HoldingSink final : ingest::Sink {
  explicit HoldingSink(MemoryTopic& awaited_) : awaited(awaited_) {}
  Result<std::vector<SourcePosition>> resume(const std::string&, std::span<const Partition>) override {
    return std::vector<SourcePosition>();
  }
  Status apply(const std::string& source, const ingest::DecodedBatch&) override {
    if (source == "second") return ok_status();
    held = true;
    awaited.wait_until_free(kOnly);
    return ok_status();
  }
  Status revoke(const std::string&, std::span<const Partition>) override { return ok_status(); }

  MemoryTopic& awaited;
  std::atomic<bool> held{false};
};

TEST_CASE("a stop asks all of them before it waits for one, so that they end beside each other") {
  Fixture f;
  HoldingSink sink(f.second);
  Consumers consumers({.consumer = "test"}, f.sources(), sink, f.types, f.clock);
  f.second.append(kOnly, kEvent);
  while (consumers.reached("second") != Offset{1}) std::this_thread::yield();  // its reader is there
  f.first.append(kOnly, kEvent);
  while (!sink.held) std::this_thread::yield();
  consumers.stop();
  CHECK(consumers.reached("first") == Offset{1});
}

}  // namespace
