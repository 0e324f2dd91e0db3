#include "engine/ingest/consumer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using ingest::Consumer;
using ingest::DecodedBatch;

/// What a broken world can do to a consumer: lines that can be appended, and answers that can be made to fail.
struct World {
  std::mutex mutex;
  std::vector<std::string> lines;
  int failing_starts = 0;
  int failing_polls = 0;

  void append(const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line + std::string(streaming::kPayloadPadding, '\0'));
  }
};

/// Reads World::lines; the offset is the line's index.
class LineSource final : public streaming::Source {
 public:
  explicit LineSource(World& world) : world_(world) {}
  const std::string& name() const noexcept override { return name_; }
  Status start(std::span<const SourcePosition> resume) override {
    const std::lock_guard lock(world_.mutex);
    if (world_.failing_starts > 0) {
      --world_.failing_starts;
      return unavailable("not there yet");
    }
    next_ = resume.empty() ? 0 : resume[0].offset.value;
    return ok_status();
  }
  Status poll(std::size_t records_max, std::chrono::milliseconds, streaming::RecordBatch* batch) override {
    batch->clear();
    const std::lock_guard lock(world_.mutex);
    if (world_.failing_polls > 0 && next_ > 3) {
      --world_.failing_polls;
      return unavailable("broker away");
    }
    copies_.clear();
    while (next_ < static_cast<std::int64_t>(world_.lines.size()) && batch->records.size() < records_max) {
      copies_.push_back(world_.lines[static_cast<std::size_t>(next_)]);
      const std::string& copy = copies_.back();
      batch->records.push_back(
          {Partition{0}, Offset{next_++}, std::string_view(copy).substr(0, copy.size() - streaming::kPayloadPadding)});
    }
    if (!batch->records.empty()) batch->positions.push_back({Partition{0}, Offset{next_}, ""});
    batch->at_end = next_ == static_cast<std::int64_t>(world_.lines.size());
    return ok_status();
  }
  Result<std::vector<SourcePosition>> end_positions() const override {
    const std::lock_guard lock(world_.mutex);
    return std::vector<SourcePosition>{{Partition{0}, Offset{static_cast<std::int64_t>(world_.lines.size())}, ""}};
  }
  void close() override {}

 private:
  World& world_;
  const std::string name_ = "lines";
  std::deque<std::string> copies_;
  std::int64_t next_ = 0;
};

/// Keeps counts and position together, and can refuse.
class CountingSink final : public ingest::Sink {
 public:
  Result<std::vector<SourcePosition>> resume(const std::string&) override {
    const std::lock_guard lock(mutex);
    if (!position) return std::vector<SourcePosition>{};
    return std::vector<SourcePosition>{*position};
  }
  Status apply(const std::string&, const DecodedBatch& batch) override {
    const std::lock_guard lock(mutex);
    if (!answers.empty()) {
      const StatusCode answer = answers.front();
      answers.pop_front();
      if (answer != StatusCode::kOk) return {answer, "as told"};
    }
    const bool expected = position ? !batch.before.empty() && batch.before[0] == *position : batch.before.empty();
    if (!expected) return {StatusCode::kAborted, "another position"};
    for (const Interaction& one : batch.interactions) ++visits[one.place.str()];
    refused += batch.refused.size();
    position = batch.after[0];
    return ok_status();
  }

  std::mutex mutex;
  std::deque<StatusCode> answers;
  std::optional<SourcePosition> position;
  std::map<std::string, int> visits;
  std::size_t refused = 0;
};

std::string event(const std::string& place) {
  return R"({"user_id":"u","place_id":")" + place + R"(","type":"visit","ts":1000000000000})";
}

struct Fixture {
  World world;
  CountingSink sink;
  InteractionTypes types;
  ManualClock clock{event_time_from_ms(1'700'000'000'000)};

  std::unique_ptr<Consumer> consume(std::size_t records_max = 7) {
    Consumer::Options options;
    options.consumer = "test";
    options.records_max = records_max;
    options.batch_wait_max = 1ms;
    return std::make_unique<Consumer>(
        options, [this] { return std::make_unique<LineSource>(world); }, sink, types, clock);
  }
  static Status drain(Consumer& consumer) {
    return consumer.wait_passed(consumer.mark(), CallContext::within(60s));
  }
};

TEST_CASE("everything in the source is applied once, and what cannot be decoded is refused with its reason") {
  Fixture f;
  std::map<std::string, int> expected;
  for (int i = 0; i < 100; ++i) {
    const std::string place = "p" + std::to_string(i % 9);
    f.world.append(event(place));
    ++expected[place];
    if (i % 10 == 0) f.world.append("{broken");
  }
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.visits == expected);
  CHECK(f.sink.refused == 10);
  f.world.append(event("late"));
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.visits["late"] == 1);
  const auto status = consumer->status();
  REQUIRE(status.size() == 1);
  CHECK(status[0].position.offset.value == 111);
  CHECK(status[0].end_offset->value == 111);
}

TEST_CASE("passing trouble of source and sink loses nothing and doubles nothing") {
  Fixture f;
  std::map<std::string, int> expected;
  for (int i = 0; i < 60; ++i) {
    f.world.append(event("p" + std::to_string(i % 5)));
    ++expected["p" + std::to_string(i % 5)];
  }
  f.world.failing_starts = 2;
  f.world.failing_polls = 2;
  f.sink.answers = {StatusCode::kUnavailable, StatusCode::kResourceExhausted, StatusCode::kOk, StatusCode::kAborted,
                    StatusCode::kOk,          StatusCode::kUnavailable};
  const auto consumer = f.consume();
  REQUIRE(Fixture::drain(*consumer).ok());
  CHECK(f.sink.visits == expected);
  CHECK(consumer->trouble().empty());
}

TEST_CASE("a consumer that is stopped and started again goes on where the sink stands") {
  Fixture f;
  std::mt19937 random(3);
  int appended = 0;
  for (int round = 0; round < 20; ++round) {
    for (unsigned i = 0; i < 1 + random() % 30; ++i, ++appended) f.world.append(event("p"));
    const auto consumer = f.consume(5);
    if (random() % 2 == 0) REQUIRE(Fixture::drain(*consumer).ok());
  }
  const auto last = f.consume();
  REQUIRE(Fixture::drain(*last).ok());
  CHECK(f.sink.visits["p"] == appended);
}

TEST_CASE("an error that will not pass stops the source and says so") {
  Fixture f;
  f.world.append(event("p"));
  f.sink.answers = {StatusCode::kInvalidArgument};
  const auto consumer = f.consume();
  const Status waited = consumer->wait_passed(consumer->mark(), CallContext::within(300ms));
  CHECK(waited.code() == StatusCode::kDeadlineExceeded);
  CHECK(consumer->trouble() == "INVALID_ARGUMENT: as told");
}

}  // namespace
