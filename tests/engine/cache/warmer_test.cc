#include "engine/cache/warmer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using cache::Warmer;

void await(const std::function<bool()>& over) {
  while (!over()) std::this_thread::sleep_for(1ms);
}

std::vector<RecommendRequest> cells(std::initializer_list<std::string> names) {
  std::vector<RecommendRequest> requests;
  for (const std::string& name : names) requests.push_back({.cell = name});
  return requests;
}

TEST_CASE("a round makes all of its plan, and tells how far it is") {
  std::atomic<int> made{0};
  Warmer warmer(
      {.every = 1h},
      [] {
        return cells({"dr5ru", "dr5rv", "dr5rw"});
      },
      [&](const CallContext&, const RecommendRequest& request) -> Result<bool> {
        ++made;
        if (request.cell == "dr5rv") return invalid_argument("no such cell");
        return request.cell == "dr5ru";
      },
      [] { return std::uint64_t{1}; });
  await([&] { return made == 3 && !warmer.status().running; });
  const AnswerWarmingStatus status = warmer.status();
  CHECK(status.rounds == 1);
  CHECK(status.planned == 3);
  CHECK(status.done == 2);
  CHECK(status.computed == 1);
  CHECK(status.failed == 1);
  CHECK(status.cut_short == 0);
}

TEST_CASE("rounds follow each other, and a change of what answers are made with calls for one") {
  std::atomic<std::uint64_t> generation{1};
  std::atomic<int> rounds{0};
  const auto plan = [&] {
    ++rounds;
    return cells({"dr5ru"});
  };
  const auto make = [](const CallContext&, const RecommendRequest&) -> Result<bool> { return true; };
  {
    Warmer often({.every = 1ms}, plan, make, [] { return std::uint64_t{1}; });
    await([&] { return rounds >= 3; });
  }
  rounds = 0;
  Warmer seldom({.every = 1h}, plan, make, [&] { return generation.load(); });
  await([&] { return rounds == 1; });
  generation = 2;
  await([&] { return rounds == 2; });
}

TEST_CASE("a round ends when its time is over, with what is worth most") {
  std::atomic<int> begun{0};
  Warmer warmer(
      {.every = 1h, .time = 20ms},
      [] {
        return cells({"dr5ru", "dr5rv", "dr5rw"});
      },
      [&](const CallContext& call, const RecommendRequest& request) -> Result<bool> {
        ++begun;
        if (request.cell == "dr5ru") return true;
        await([&] { return !call.check().ok(); });
        return call.check();
      },
      [] { return std::uint64_t{1}; });
  await([&] { return warmer.status().cut_short == 1; });
  CHECK(begun == 2);
  CHECK(warmer.status().done == 1);
  CHECK(warmer.status().failed == 0);
}

TEST_CASE("a stop does not wait for the rest of a round") {
  std::atomic<bool> begun{false};
  Warmer warmer(
      {.every = 1h, .time = 1h},
      [] {
        return cells({"dr5ru", "dr5rv"});
      },
      [&](const CallContext& call, const RecommendRequest&) -> Result<bool> {
        begun = true;
        await([&] { return !call.check().ok(); });
        return call.check();
      },
      [] { return std::uint64_t{1}; });
  await([&] { return begun.load(); });
  warmer.stop();
  CHECK(warmer.status().done == 0);
}

}  // namespace
