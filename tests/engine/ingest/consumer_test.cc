#include "engine/ingest/consumer.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "streaming/decode.h"
#include "streaming/source.h"
#include "tests/support/memory_sink.h"
#include "tests/support/memory_source.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using ingest::Consumer;
using test::MemorySink;
using test::MemoryTopic;
using Counts = MemorySink::Counts;

constexpr Partition kOnly{0};
constexpr std::array kThree = {Partition{0}, Partition{1}, Partition{2}};

std::string event(const std::string& place) {
  return R"({"user_id":"u","place_id":")" + place + R"(","type":"visit","ts":1000000000000})";
}

struct Fixture {
  explicit Fixture(std::span<const Partition> partitions = std::span(&kOnly, 1)) : topic("lines", partitions) {}

  MemoryTopic topic;
  MemorySink sink;
  Counts expected;
  InteractionTypes types;
  ManualClock clock{event_time_from_ms(1'700'000'000'000)};

  void append(const std::string& place, Partition partition = kOnly) {
    topic.append(partition, event(place));
    ++expected[place];
  }
  std::unique_ptr<Consumer> consume(std::size_t records_max = 7) {
    Consumer::Options options;
    options.consumer = "test";
    options.records_max = records_max;
    options.batch_wait_max = 1ms;
    return std::make_unique<Consumer>(
        options, [this] { return topic.source(); }, sink, types, clock);
  }
  static Status drain(Consumer& consumer) { return consumer.wait_passed(consumer.mark(), CallContext::within(60s)); }
};

std::vector<std::int32_t> partitions_in(const std::vector<ConsumerStatus>& status) {
  std::vector<std::int32_t> partitions;
  for (const ConsumerStatus& one : status) partitions.push_back(one.position.partition.value);
  return partitions;
}

TEST_CASE("everything in the source is applied once, and what cannot be decoded is refused with its reason") {
  Fixture f;
  for (int i = 0; i < 100; ++i) {
    f.append("p" + std::to_string(i % 9));
    if (i % 10 == 0) f.topic.append(kOnly, "{broken");
  }
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(f.sink.refused() == 10);
  f.append("late");
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  const auto status = consumer->status();
  REQUIRE(status.size() == 1);
  CHECK(status[0].position.offset.value == 111);
  CHECK(status[0].end_offset->value == 111);
}

TEST_CASE("passing trouble of source and sink loses nothing and doubles nothing") {
  Fixture f;
  for (int i = 0; i < 60; ++i) f.append("p" + std::to_string(i % 5));
  const Status away = unavailable("broker away");
  f.topic.script_polls(std::array{away, ok_status(), ok_status(), away});
  f.topic.script_resumes(std::array{away});
  f.sink.script(std::array{StatusCode::kUnavailable, StatusCode::kResourceExhausted, StatusCode::kOk,
                           StatusCode::kAborted, StatusCode::kOk, StatusCode::kUnavailable});
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(consumer->trouble().empty());
}

TEST_CASE("trouble that was overcome does not make the next wait longer") {
  Fixture f;
  std::vector<Status> polls;
  for (int round = 1; round <= 8; ++round) {
    f.append("p");
    polls.insert(polls.end(), {unavailable("away"), ok_status(), ok_status()});
  }
  // Before the first poll, so that between two failures the partition is assigned and its next record applied.
  f.topic.script_polls(polls);
  const auto start = std::chrono::steady_clock::now();
  const auto consumer = f.consume(1);
  REQUIRE(Fixture::drain(*consumer).ok());
  // Eight waits that double from 50 ms, less the jitter, are more than 5.6 s; eight first waits are 0.4 s at most.
  CHECK(std::chrono::steady_clock::now() - start < 5s);
}

TEST_CASE("a consumer that is stopped and started again goes on where the sink stands") {
  Fixture f;
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    for (unsigned i = 0; i < 1 + random() % 30; ++i) f.append("p");
    const auto consumer = f.consume(5);
    if (random() % 2 == 0) REQUIRE(Fixture::drain(*consumer).ok());
  }
  const auto last = f.consume();
  REQUIRE(Fixture::drain(*last).ok());
  CHECK(f.sink.counts() == f.expected);
}

/// Polls until `holds` does; a minute at most.
template <class Condition>
void await(Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!holds()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(1ms);
  }
}

TEST_CASE("an error that somebody must mend blocks the consumer, which says so and since when, and ends when it ends") {
  Fixture f;
  f.append("p");
  f.sink.fail_with(StatusCode::kFailedPrecondition);
  const auto consumer = f.consume();
  await([&] { return consumer->health().blocked(); });
  const ConsumerHealth health = consumer->health();
  CHECK(health.name() == "test:lines");
  REQUIRE(health.troubles.size() == 1);
  CHECK(health.troubles[0].reason == "FAILED_PRECONDITION: as told");
  CHECK(health.troubles[0].since == f.clock.now());
  CHECK(health.troubles[0].remedy.find("cairn consumer retry test:lines") != std::string::npos);
  const Status waited = consumer->wait_passed(consumer->mark(), CallContext::within(0ms));
  CHECK(waited.code() == StatusCode::kDeadlineExceeded);
  CHECK(waited.message().find("it waits: FAILED_PRECONDITION") != std::string::npos);
  f.sink.fail_with(StatusCode::kOk);  // mended; nobody restarts anything
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(consumer->health().troubles.empty());
}

TEST_CASE("what a library throws on the consumer's thread blocks the consumer, and not the process") {
  Fixture f;
  for (int i = 0; i < 30; ++i) f.append("p");
  int made = 0;
  const auto make_source = [&]() -> std::unique_ptr<streaming::Source> {
    if (++made == 2) throw std::runtime_error("thrown by a library");  // the first only tells its name
    if (made == 3) throw 7;
    if (made == 4) throw std::bad_alloc();
    return f.topic.source();
  };
  Consumer consumer({.consumer = "test"}, make_source, f.sink, f.types, f.clock);
  await([&] { return consumer.trouble().find("thrown by a library") != std::string::npos; });
  CHECK(consumer.health().blocked());
  consumer.retry();
  await([&] { return consumer.trouble().find("without a text") != std::string::npos; });
  consumer.retry();
  REQUIRE(Fixture::drain(consumer).ok());  // memory comes back by itself
  CHECK(f.sink.counts() == f.expected);
  CHECK(made == 5);
}

TEST_CASE("every code that a sink or a source can answer is got over once it stops") {
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kFailedPrecondition, StatusCode::kOutOfRange, StatusCode::kDataLoss,
        StatusCode::kInternal, StatusCode::kPermissionDenied, StatusCode::kUnauthenticated, StatusCode::kNotFound}) {
    INFO(to_string(code));
    Fixture f;
    for (int i = 0; i < 30; ++i) f.append("p");
    f.sink.fail_with(code);
    const auto consumer = f.consume();
    await([&] { return consumer->health().blocked(); });
    f.sink.fail_with(StatusCode::kOk);
    consumer->retry();
    REQUIRE(Fixture::drain(*consumer).ok());
    f.topic.script_polls(std::array{Status(code, "from the source")});
    await([&] { return consumer->health().blocked(); });
    consumer->retry();
    f.append("later");
    REQUIRE(Fixture::drain(*consumer).ok());
    CHECK(f.sink.counts() == f.expected);
  }
}

TEST_CASE("the source is kept while the sink cannot say where to go on") {
  Fixture f;
  f.append("p");
  f.sink.script(std::array{StatusCode::kUnavailable, StatusCode::kUnavailable, StatusCode::kFailedPrecondition});
  int made = 0;
  Consumer::Options options;
  options.consumer = "test";
  Consumer consumer(
      options,
      [&] {
        ++made;
        return f.topic.source();
      },
      f.sink, f.types, f.clock);
  await([&] { return consumer.health().blocked(); });
  consumer.retry();
  REQUIRE(Fixture::drain(consumer).ok());
  CHECK(made == 2);  // one of them to learn its name
}

TEST_CASE("trouble is one line of the log when it begins and one when it ends, whatever numbers change in between") {
  Fixture f;
  f.append("p");
  std::mutex mutex;
  std::multiset<std::string> events;
  Consumer::Options options;
  options.consumer = "test";
  options.log = Logger([&](LogLevel, std::string_view event, std::string_view, std::initializer_list<LogField>) {
    const std::lock_guard<std::mutex> lock(mutex);
    events.emplace(event);
  });
  f.topic.script_polls(std::array{resource_exhausted("the disk has 99 bytes free"),
                                  resource_exhausted("the disk has 5 bytes free"),
                                  resource_exhausted("the disk has 1234 bytes free")});
  {
    Consumer consumer(
        options, [&] { return f.topic.source(); }, f.sink, f.types, f.clock);
    REQUIRE(Fixture::drain(consumer).ok());
  }
  CHECK(events == std::multiset<std::string>{"consumer.recovered", "consumer.waiting"});
}

TEST_CASE("a batch that another writer came before is read anew without a warning") {
  Fixture f;
  f.append("p");
  std::mutex mutex;
  std::multimap<std::string, LogLevel> logged;
  Consumer::Options options;
  options.consumer = "test";
  options.log = Logger([&](LogLevel level, std::string_view event, std::string_view, std::initializer_list<LogField>) {
    const std::lock_guard<std::mutex> lock(mutex);
    logged.emplace(event, level);
  });
  // What the sink is asked for first is where the partition stands.
  f.sink.script(std::array{StatusCode::kOk, StatusCode::kAborted});
  {
    Consumer consumer(
        options, [&] { return f.topic.source(); }, f.sink, f.types, f.clock);
    REQUIRE(Fixture::drain(consumer).ok());
  }
  CHECK(f.sink.counts() == f.expected);
  CHECK(logged == std::multimap<std::string, LogLevel>{{"consumer.recovered", LogLevel::kInfo},
                                                       {"consumer.waiting", LogLevel::kInfo}});
}

/// What a consumer logs: how often each event.
struct Told {
  Logger logger() {
    return Logger([this](LogLevel, std::string_view event, std::string_view, std::initializer_list<LogField>) {
      const std::lock_guard<std::mutex> lock(mutex);
      events.emplace(event);
    });
  }
  std::mutex mutex;
  std::multiset<std::string> events;
};

TEST_CASE("a stop in the middle of trouble is no recovery") {
  Fixture f;
  Told told;
  f.append("p");
  f.sink.fail_with(StatusCode::kFailedPrecondition);
  Consumer consumer(
      {.consumer = "test", .log = told.logger()}, [&] { return f.topic.source(); }, f.sink, f.types, f.clock);
  await([&] { return consumer.health().blocked(); });
  consumer.stop();
  CHECK(consumer.health().blocked());
  CHECK(told.events == std::multiset<std::string>{"consumer.blocked"});
}

TEST_CASE("a source that is looked at again because it was asked for is no trouble") {
  Fixture f(kThree);
  Told told;
  f.topic.obstruct(kThree[1], {.partition = kThree[1], .reason = "the records are gone", .gap = true});
  f.append("p", kThree[1]);
  Consumer consumer(
      {.consumer = "test", .log = told.logger()}, [&] { return f.topic.source(); }, f.sink, f.types, f.clock);
  await([&] { return consumer.health().blocked(); });
  REQUIRE(consumer.accept_gap());
  REQUIRE(Fixture::drain(consumer).ok());
  consumer.stop();
  CHECK(told.events == std::multiset<std::string>{"consumer.gap_passed", "consumer.partition_blocked",
                                                  "consumer.partition_recovered"});
}

TEST_CASE("trouble is told since when it began, whatever is said of it, and anew when its kind changes") {
  Fixture f;
  f.append("p");
  const auto trouble = [&](Consumer& consumer, std::string_view reason) {
    await([&] { return consumer.trouble().starts_with(reason); });
    return consumer.health().troubles.at(0);
  };
  const EventTime began = f.clock.now();
  f.sink.fail_with(StatusCode::kFailedPrecondition);
  const auto consumer = f.consume();
  CHECK(trouble(*consumer, "FAILED_PRECONDITION").since == began);
  f.clock.advance(1min);
  f.sink.fail_with(StatusCode::kPermissionDenied);
  consumer->retry();
  CHECK(trouble(*consumer, "PERMISSION_DENIED").since == began);
  f.clock.advance(1min);
  f.sink.fail_with(StatusCode::kUnavailable);
  consumer->retry();
  CHECK(trouble(*consumer, "UNAVAILABLE").since == began + 2min);
}

/// Hands on to a source in memory what a test has nothing against.
struct AlteredSource final : streaming::Source {
  /// Outlives its sources.
  struct Script {
    std::mutex mutex;
    std::vector<SourcePosition> unchecked;  ///< what the next poll tells
    std::vector<Partition> accepted;        ///< gaps, by any source
    int gaps = 0;                           ///< so many times resume() finds its positions gone, until that is accepted
    int failing_releases = 0;
  };
  AlteredSource(Script& script_, std::unique_ptr<streaming::Source> source_)
      : script(script_), source(std::move(source_)) {}

  const std::string& name() const noexcept override { return source->name(); }
  Status poll(std::size_t records_max, std::chrono::milliseconds wait, streaming::RecordBatch* batch) override {
    CAIRN_RETURN_IF_ERROR(source->poll(records_max, wait, batch));
    const std::lock_guard lock(script.mutex);
    batch->unchecked = std::exchange(script.unchecked, {});
    return ok_status();
  }
  Status resume(std::span<const SourcePosition> positions) override {
    {
      const std::lock_guard lock(script.mutex);
      if (std::exchange(accepting, false)) --script.gaps;
      if (script.gaps > 0)
        return {StatusCode::kOutOfRange, "gone; left: " + std::string(static_cast<std::size_t>(script.gaps), 'x')};
    }
    return source->resume(positions);
  }
  Status release(std::span<const Partition> partitions) override {
    {
      const std::lock_guard lock(script.mutex);
      if (script.failing_releases-- > 0) return unavailable("the group is gone");
    }
    return source->release(partitions);
  }
  void accept_gaps(std::span<const Partition> partitions) override {
    const std::lock_guard lock(script.mutex);
    script.accepted.assign(partitions.begin(), partitions.end());
    accepting = true;
  }
  bool can_pass_gaps() const override { return true; }
  Result<std::vector<SourcePosition>> end_positions() const override { return source->end_positions(); }
  void close() override { source->close(); }

  Script& script;
  std::unique_ptr<streaming::Source> source;
  bool accepting = false;
};

TEST_CASE("a gap that a source finds as it begins is said to be one, and accepted for the partitions that it found") {
  Fixture f(kThree);
  AlteredSource::Script script;
  for (const Partition partition : kThree) f.append("p", partition);
  script.gaps = 1;
  const auto make_source = [&] { return std::make_unique<AlteredSource>(script, f.topic.source()); };
  Consumer consumer({.consumer = "test"}, make_source, f.sink, f.types, f.clock);
  await([&] { return consumer.health().blocked(); });
  const ConsumerTrouble trouble = consumer.health().troubles.at(0);
  CHECK(trouble.gap);
  CHECK(trouble.remedy.find("cairn consumer accept-gap test:lines") != std::string::npos);
  REQUIRE(consumer.accept_gap());
  REQUIRE(Fixture::drain(consumer).ok());
  CHECK(script.accepted == std::vector(kThree.begin(), kThree.end()));
  CHECK(f.sink.counts() == f.expected);

  // The same code from elsewhere is not: nothing is gone any more.
  f.topic.script_polls(std::array{Status(StatusCode::kOutOfRange, "a number too large")});
  await([&] { return consumer.health().blocked(); });
  CHECK_FALSE(consumer.health().troubles.at(0).gap);
  CHECK_FALSE(consumer.accept_gap());
}

TEST_CASE("a gap that is accepted is passed at once, however long the wait for it has become") {
  // The waits grow to 15 to 30 s each; were they waited out, this case would not end within its time.
  constexpr int kGaps = 20;
  Fixture f;
  AlteredSource::Script script;
  f.append("p");
  script.gaps = kGaps;
  const auto make_source = [&] { return std::make_unique<AlteredSource>(script, f.topic.source()); };
  Consumer consumer({.consumer = "test"}, make_source, f.sink, f.types, f.clock);
  for (int left = kGaps; left > 0; --left) {
    const std::string reason = "OUT_OF_RANGE: gone; left: " + std::string(static_cast<std::size_t>(left), 'x');
    await([&] { return consumer.trouble() == reason; });
    REQUIRE(consumer.accept_gap());
  }
  REQUIRE(Fixture::drain(consumer).ok());
  CHECK(f.sink.counts() == f.expected);
}

TEST_CASE("a source that cannot let go of a partition is given up, and nothing is lost") {
  Fixture f(kThree);
  AlteredSource::Script script;
  int made = 0;
  const auto make_source = [&] {
    ++made;
    return std::make_unique<AlteredSource>(script, f.topic.source());
  };
  Consumer consumer({.consumer = "test"}, make_source, f.sink, f.types, f.clock);
  REQUIRE(Fixture::drain(consumer).ok());
  script.failing_releases = 1;
  for (const Partition partition : kThree) f.append("p", partition);
  f.topic.revoke(kThree[1]);
  f.topic.wait_until_free(kThree[1]);
  for (const Partition partition : kThree) f.append("q", partition);
  f.topic.assign(kThree[1]);
  REQUIRE(Fixture::drain(consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  consumer.stop();
  CHECK(made == 3);  // one of them to learn its name
}

TEST_CASE("what could not be checked is told of each partition: the last place, since it was first met") {
  Fixture f;
  AlteredSource::Script script;
  const auto make_source = [&] { return std::make_unique<AlteredSource>(script, f.topic.source()); };
  Consumer consumer({.consumer = "test"}, make_source, f.sink, f.types, f.clock);
  using Line = std::array<std::int64_t, 3>;  // partition, offset, since
  const auto told_after = [&](std::vector<SourcePosition> unchecked) {
    {
      const std::lock_guard lock(script.mutex);
      script.unchecked = std::move(unchecked);
    }
    f.append("p");  // and with it a poll
    REQUIRE(Fixture::drain(consumer).ok());
    std::vector<Line> all;
    for (const UncheckedPosition& one : consumer.health().unchecked) {
      all.push_back({one.partition.value, one.offset.value, to_ms(one.since)});
    }
    return all;
  };
  CHECK(told_after({}).empty());
  f.clock.set(event_time_from_ms(1'000));
  CHECK(told_after({{kThree[0], Offset{5}, ""}, {kThree[1], Offset{5}, ""}}) ==
        std::vector<Line>{{0, 5, 1'000}, {1, 5, 1'000}});
  f.clock.set(event_time_from_ms(2'000));
  CHECK(told_after({{kThree[0], Offset{5}, ""}}) == std::vector<Line>{{0, 5, 1'000}, {1, 5, 1'000}});
  CHECK(told_after({{kThree[0], Offset{9}, ""}}) == std::vector<Line>{{1, 5, 1'000}, {0, 9, 2'000}});
  CHECK(told_after({}).size() == 2);
}

TEST_CASE("a blocked consumer stops at once") {
  Fixture f;
  f.append("p");
  f.sink.fail_with(StatusCode::kFailedPrecondition);
  const auto consumer = f.consume();
  await([&] { return consumer->health().blocked(); });
  const auto start = std::chrono::steady_clock::now();
  consumer->stop();
  CHECK(std::chrono::steady_clock::now() - start < 30s);
}

TEST_CASE("how far a source that cannot be reached is ahead is not known") {
  Fixture f;
  f.append("p");
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  REQUIRE(consumer->status().at(0).end_offset.has_value());
  CHECK(consumer->status()[0].at_end);
  const std::vector<Status> away(1000, unavailable("away"));
  f.topic.script_polls(away);
  await([&] { return !consumer->trouble().empty(); });
  CHECK_FALSE(consumer->status()[0].end_offset.has_value());
  CHECK_FALSE(consumer->status()[0].at_end);
}

TEST_CASE(
    "a consumer whose file is taken away or shortened is not caught up, and a shortened one goes on when accepted") {
  Fixture f;
  const test::TemporaryFolder folder;
  const std::string path = folder.write("events", event("a") + "\n" + event("b") + "\n");
  Consumer::Options options;
  options.consumer = "test";
  options.batch_wait_max = 1ms;
  Consumer consumer(
      options,
      [&] {
        return streaming::make_file_source({.name = "lines", .path = path}, kOnly, 4096, {},
                                           {.old_file_quiet = 0ms, .name_gone = 0ms});
      },
      f.sink, f.types, f.clock);
  const auto caught_up = [&] {
    const auto status = consumer.status();
    return status.size() == 1 && status[0].at_end;
  };
  const auto until = [&](bool wanted) {
    while (caught_up() != wanted) std::this_thread::sleep_for(1ms);
  };
  until(true);
  std::filesystem::rename(path, path + ".away");
  until(false);
  REQUIRE(consumer.health().troubles.size() == 1);
  CHECK_FALSE(consumer.health().troubles[0].gap);
  std::filesystem::rename(path + ".away", path);
  until(true);
  CHECK(consumer.health().troubles.empty());

  std::filesystem::resize_file(path, event("a").size() + 1);
  until(false);
  REQUIRE(consumer.health().troubles.size() == 1);
  CHECK(consumer.health().troubles[0].gap);
  CHECK(consumer.accept_gap());
  until(true);
  std::ofstream(path, std::ios::app) << event("c") << "\n";
  REQUIRE(Fixture::drain(consumer).ok());
  CHECK(f.sink.counts() == Counts{{"a", 1}, {"b", 1}, {"c", 1}});
}

TEST_CASE("a source that cannot pass over a gap is not said to, whatever it answers") {
  Fixture f;
  f.topic.script_resumes(std::vector<Status>(3, Status(StatusCode::kOutOfRange, "gone")));
  const auto consumer = f.consume();
  await([&] { return consumer->health().blocked(); });
  CHECK_FALSE(consumer->health().troubles.at(0).gap);
  CHECK_FALSE(consumer->accept_gap());
}

TEST_CASE("a partition that stands still keeps no other from being read, and is listed until it goes on") {
  Fixture f(kThree);
  f.topic.obstruct(kThree[1], {.partition = kThree[1], .reason = "the records are gone", .gap = true});
  for (const Partition partition : kThree) f.append("p" + std::to_string(partition.value), partition);
  const auto consumer = f.consume();
  f.sink.wait_until("lines", kThree[0], Offset{1});
  f.sink.wait_until("lines", kThree[2], Offset{1});
  await([&] { return consumer->health().blocked(); });
  const ConsumerHealth health = consumer->health();
  REQUIRE(health.troubles.size() == 1);
  CHECK(health.troubles[0].partition == kThree[1]);
  CHECK(health.troubles[0].gap);
  CHECK(health.troubles[0].remedy.find("cairn consumer accept-gap test:lines") != std::string::npos);
  CHECK_FALSE(f.sink.counts().contains("p1"));

  REQUIRE(consumer->accept_gap());
  f.sink.wait_until("lines", kThree[1], Offset{1});
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(consumer->health().troubles.empty());
  CHECK(consumer->health().gap_records == 7);
  CHECK_FALSE(consumer->accept_gap());  // there is none any more
}

TEST_CASE("a gap that was accepted is accepted once: the next one is another decision") {
  Fixture f(kThree);
  const streaming::Obstacle gap{.partition = kThree[1], .reason = "the records are gone", .gap = true};
  f.topic.obstruct(kThree[1], gap);
  f.append("p", kThree[1]);
  const auto consumer = f.consume();
  await([&] { return consumer->health().blocked(); });
  REQUIRE(consumer->accept_gap());
  REQUIRE(Fixture::drain(*consumer).ok());
  REQUIRE(f.sink.counts() == f.expected);

  f.topic.obstruct(kThree[1], gap);
  f.topic.script_polls(std::array{unavailable("away")});  // and so a new life of the source
  f.topic.append(kThree[1], event("behind the gap"));
  f.append("q", kThree[0]);
  f.sink.wait_until("lines", kThree[0], Offset{1});
  await([&] { return consumer->health().blocked(); });
  CHECK(f.sink.counts() == f.expected);
  CHECK(consumer->health().gap_records == MemoryTopic::kGapRecords);
}

/// Hands on to a sink in memory what a test has nothing against.
struct HookedSink final : ingest::Sink {
  explicit HookedSink(MemorySink& to) : sink(to) {}
  Result<std::vector<SourcePosition>> resume(const std::string& source,
                                             std::span<const Partition> partitions) override {
    return sink.resume(source, partitions);
  }
  Status apply(const std::string& source, const ingest::DecodedBatch& batch) override {
    CAIRN_RETURN_IF_ERROR(before_apply());
    return sink.apply(source, batch);
  }
  Status revoke(const std::string& source, std::span<const Partition> partitions) override {
    return sink.revoke(source, partitions);
  }

  MemorySink& sink;
  std::function<Status()> before_apply;
};

TEST_CASE("a mark that is asked for while the end is being applied stands behind what came meanwhile") {
  Fixture f;
  f.append("first");
  HookedSink sink(f.sink);
  std::atomic<bool> open{false};
  std::atomic<std::uint64_t> mark{0};
  std::atomic<Consumer*> running{nullptr};
  bool first = true;
  sink.before_apply = [&] {
    if (!std::exchange(first, false)) return open ? ok_status() : unavailable("not yet");
    while (running == nullptr) std::this_thread::yield();
    f.append("meanwhile");
    mark = running.load()->mark();
    return ok_status();
  };
  Consumer::Options options;
  options.consumer = "test";
  Consumer consumer(
      options, [&] { return f.topic.source(); }, sink, f.types, f.clock);
  running = &consumer;
  await([&] { return !consumer.trouble().empty(); });  // at what came meanwhile
  CHECK(consumer.wait_passed(mark, CallContext::within(0ms)).code() == StatusCode::kDeadlineExceeded);
  open = true;
  REQUIRE(consumer.wait_passed(mark, CallContext::within(60s)).ok());
  CHECK(f.sink.counts() == f.expected);
}

TEST_CASE("each partition has a position of its own, and one without a position begins at its beginning") {
  Fixture f(kThree);
  for (int i = 0; i < 30; ++i) f.append("a", kThree[0]);
  for (int i = 0; i < 20; ++i) f.append("b", kThree[1]);
  {
    const auto consumer = f.consume();
    REQUIRE(Fixture::drain(*consumer).ok());
  }
  CHECK(f.sink.position("lines", kThree[0])->offset.value == 30);
  CHECK(f.sink.position("lines", kThree[1])->offset.value == 20);
  CHECK_FALSE(f.sink.position("lines", kThree[2]).has_value());
  f.append("a", kThree[0]);
  for (int i = 0; i < 10; ++i) f.append("c", kThree[2]);
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(f.sink.position("lines", kThree[2])->offset.value == 10);
}

TEST_CASE("each partition tells its own position and its own end while its records wait") {
  Fixture f(kThree);
  for (int i = 0; i < 5; ++i) f.append("a", kThree[0]);
  for (int i = 0; i < 12; ++i) f.append("b", kThree[1]);
  for (int i = 0; i < 3; ++i) f.append("c", kThree[2]);
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  f.sink.fail_with(StatusCode::kUnavailable);
  for (int i = 0; i < 4; ++i) f.append("a", kThree[0]);
  for (int i = 0; i < 2; ++i) f.append("c", kThree[2]);
  using Line = std::array<std::int64_t, 3>;  // partition, position, end
  const auto lines = [&] {
    std::vector<Line> all;
    for (const ConsumerStatus& one : consumer->status()) {
      all.push_back({one.position.partition.value, one.position.offset.value, one.end_offset->value});
    }
    return all;
  };
  await([&] { return lines() == std::vector<Line>{{0, 5, 9}, {1, 12, 12}, {2, 3, 5}}; });
}

TEST_CASE("a partition that is revoked is applied to what was delivered, told to the sink, released and forgotten") {
  Fixture f(kThree);
  for (const Partition partition : kThree) f.append("p" + std::to_string(partition.value), partition);
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(partitions_in(consumer->status()) == std::vector{0, 1, 2});

  f.sink.script(std::array{StatusCode::kUnavailable});  // the sink's trouble delays the release, and is not lost
  for (int i = 0; i < 5; ++i) f.append("in flight", kThree[1]);
  f.topic.revoke(kThree[1]);
  f.topic.wait_until_free(kThree[1]);
  CHECK(f.sink.revoked() == std::vector{kThree[1]});
  CHECK(f.sink.position("lines", kThree[1])->offset.value == 6);  // whoever reads on goes on from here
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(partitions_in(consumer->status()) == std::vector{0, 2});

  f.append("away", kThree[1]);
  f.append("here", kThree[2]);
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts().contains("here"));
  CHECK_FALSE(f.sink.counts().contains("away"));

  f.topic.assign(kThree[1]);
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == f.expected);
  CHECK(partitions_in(consumer->status()) == std::vector{0, 1, 2});
}

/// Reads a partition that the consumer has given away, as another consumer would: from the sink's position, into the
/// sink.
void read_elsewhere(Fixture& f, Partition partition, std::int64_t records_max) {
  const auto stored = f.sink.position("lines", partition);
  const std::int64_t first = stored ? stored->offset.value : 0;
  std::vector<std::string> payloads = f.topic.payloads(partition, first);
  if (static_cast<std::int64_t>(payloads.size()) > records_max) payloads.resize(static_cast<std::size_t>(records_max));
  if (payloads.empty()) return;
  streaming::Decoder decoder(f.types, {}, f.clock);
  std::vector<Interaction> interactions(payloads.size());
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const std::string padded = payloads[i] + std::string(streaming::kPayloadPadding, '\0');
    REQUIRE(decoder.decode(std::string_view(padded).substr(0, payloads[i].size()), &interactions[i]) ==
            streaming::Reject::kNone);
  }
  const std::int64_t next = first + static_cast<std::int64_t>(payloads.size());
  const std::vector<SourcePosition> after{{partition, Offset{next}, "elsewhere"}};
  const std::vector<SourcePosition> before = stored ? std::vector{*stored} : std::vector<SourcePosition>{};
  const ingest::DecodedBatch batch{.interactions = interactions, .refused = {}, .before = before, .after = after};
  Status applied;
  do {
    applied = f.sink.apply("lines", batch);
  } while (is_retryable(applied.code()));
  REQUIRE_MESSAGE(applied.ok(), applied.to_string());
}

TEST_CASE("a consumer whose position somebody else has moved does not insist: it looks it up and goes on from there") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.append("p");
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  const std::vector<SourcePosition> before{*f.sink.position("lines", kOnly)};
  const std::vector<SourcePosition> after{{kOnly, Offset{3}, "elsewhere"}};
  REQUIRE(f.sink.apply("lines", {.interactions = {}, .refused = {}, .before = before, .after = after}).ok());
  f.append("p");
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.counts() == Counts{{"p", 8}});  // 5, and 3 to 5 as the position says
  CHECK(consumer->trouble().empty());
}

TEST_CASE("whatever is assigned, revoked, read elsewhere and failing in between, every event counts once") {
  for (const std::uint32_t seed : {1U, 2U, 3U, 4U}) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    Fixture f(kThree);
    auto consumer = f.consume(1 + random() % 20);
    std::array<bool, 3> ours{true, true, true};
    for (int step = 0; step < 400; ++step) {
      const Partition partition = kThree[random() % kThree.size()];
      bool& is_ours = ours[static_cast<std::size_t>(partition.value)];
      switch (random() % 16) {
        case 0:
          f.topic.revoke(partition);
          is_ours = false;
          break;
        case 1:
          f.topic.assign(partition);
          is_ours = true;
          break;
        case 2:  // away and back before the consumer looks, or after
          f.topic.revoke(partition);
          f.topic.assign(partition);
          is_ours = true;
          break;
        case 3:
        case 4:
          if (is_ours) break;
          f.topic.wait_until_free(partition);
          read_elsewhere(f, partition, 1 + random() % 10);
          break;
        case 5:
          // What the consumer has applied is a matter of time; that it gets there is not.
          if (!is_ours || f.topic.payloads(partition, 0).empty()) break;
          f.sink.wait_until("lines", partition,
                            Offset{static_cast<std::int64_t>(f.topic.payloads(partition, 0).size())});
          break;
        case 6:
          if (random() % 4 == 0) f.topic.script_polls(std::array{unavailable("away")});
          break;
        case 7:
          if (random() % 4 == 0) f.topic.script_resumes(std::array{unavailable("away")});
          break;
        case 8:
          f.sink.script(std::array{random() % 4 == 0 ? StatusCode::kAborted : StatusCode::kUnavailable});
          break;
        case 9:
          if (random() % 8 != 0) break;
          consumer.reset();
          consumer = f.consume(1 + random() % 20);
          break;
        default:
          for (unsigned i = random() % 20; i > 0; --i) f.append("p" + std::to_string(random() % 7), partition);
      }
    }
    for (const Partition partition : kThree) f.topic.assign(partition);
    const Status drained = Fixture::drain(*consumer);
    REQUIRE_MESSAGE(drained.ok(), drained.to_string());
    CHECK(f.sink.counts() == f.expected);
    for (const Partition partition : kThree) {
      const auto end = static_cast<std::int64_t>(f.topic.payloads(partition, 0).size());
      if (end > 0) CHECK(f.sink.position("lines", partition)->offset.value == end);
    }
  }
}

}  // namespace
