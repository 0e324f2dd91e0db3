#include "tools/cairnd/log/repeats.h"

#include <doctest/doctest.h>

#include <string>

namespace cairn::cairnd::test {
namespace {

using Instant = RepeatFilter::Instant;
using std::chrono::milliseconds;

constexpr RepeatFilter::Options kOptions{.burst = 3, .window = milliseconds{1'000}, .events_max = 2};

Instant at(int ms) { return Instant{} + milliseconds{ms}; }

LogRecord record(std::string event, std::string message = "m", LogLevel level = LogLevel::kWarning) {
  return {event_time_from_ms(0), level, std::move(event), std::move(message), {}};
}

std::string field(const LogRecord& one, const std::string& key) {
  for (const auto& [name, value] : one.fields) {
    if (name == key) return value;
  }
  return {};
}

TEST_CASE("the first records of a window pass, the rest are counted and told at its end") {
  RepeatFilter filter(kOptions);
  for (int i = 0; i < 3; ++i) CHECK(filter.pass(record("e"), at(i)).size() == 1);
  for (int i = 3; i < 10; ++i) CHECK(filter.pass(record("e", "m" + std::to_string(i)), at(i)).empty());
  CHECK(filter.expire(at(999)).empty());
  const auto summaries = filter.expire(at(1'000));
  REQUIRE(summaries.size() == 1);
  CHECK(summaries[0].event == "e");
  CHECK(summaries[0].message == "m9 (the last of those left out)");
  CHECK(field(summaries[0], "left_out") == "7");
  CHECK(filter.expire(at(5'000)).empty());
}

TEST_CASE("a record after the window brings the summary with it and passes") {
  RepeatFilter filter(kOptions);
  for (int i = 0; i < 4; ++i) (void)filter.pass(record("e"), at(i));
  const auto out = filter.pass(record("e", "later"), at(2'000));
  REQUIRE(out.size() == 2);
  CHECK(field(out[0], "left_out") == "1");
  CHECK(out[1].message == "later");
}

TEST_CASE("events, and levels of one event, are counted apart") {
  RepeatFilter filter({.burst = 1, .window = milliseconds{1'000}, .events_max = 10});
  CHECK(filter.pass(record("a"), at(0)).size() == 1);
  CHECK(filter.pass(record("a"), at(0)).empty());
  CHECK(filter.pass(record("b"), at(0)).size() == 1);
  CHECK(filter.pass(record("a", "m", LogLevel::kError), at(0)).size() == 1);
}

TEST_CASE("debug records all pass, and so do events beyond those that can be watched") {
  RepeatFilter filter(kOptions);
  for (int i = 0; i < 50; ++i) CHECK(filter.pass(record("d", "m", LogLevel::kDebug), at(i)).size() == 1);
  (void)filter.pass(record("a"), at(0));
  (void)filter.pass(record("b"), at(0));
  for (int i = 0; i < 50; ++i) CHECK(filter.pass(record("c"), at(i)).size() == 1);
}

TEST_CASE("no record is lost: what passed and what was left out add up") {
  RepeatFilter filter(kOptions);
  std::uint64_t passed = 0;
  std::uint64_t left_out = 0;
  const auto count = [&](const std::vector<LogRecord>& records) {
    for (const LogRecord& one : records) {
      const std::string summary = field(one, "left_out");
      if (summary.empty()) ++passed;
      if (!summary.empty()) left_out += std::stoull(summary);
    }
  };
  for (int i = 0; i < 5'000; ++i) count(filter.pass(record(i % 3 == 0 ? "a" : "b"), at(i)));
  count(filter.expire(Instant::max()));
  CHECK(passed + left_out == 5'000);
  CHECK(left_out > 4'900);
}

}  // namespace
}  // namespace cairn::cairnd::test
