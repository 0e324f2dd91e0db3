// A device that errs, hangs or has no memory, behind batches: whoever asks is answered all the same.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gpu/guarded_backend.h"
#include "tests/engine/batching/told_town.h"

namespace {

using namespace cairn;
using namespace cairn::batching_test;
using batching::Batcher;

/// With a device that hangs; much longer than a scan takes, also on a machine that is busy with other things.
constexpr std::chrono::milliseconds kPatience{2'000};

/// A town whose device has the processors behind it.
struct GuardedTown {
  gpu::GuardedBackend* guard = nullptr;
  Town town;

  explicit GuardedTown(std::chrono::milliseconds time_max)
      : town([this, time_max](std::unique_ptr<gpu::Backend> device) {
          auto made = std::make_unique<gpu::GuardedBackend>(
              std::move(device), gpu::make_cpu_backend({.threads = 1}).value(),
              gpu::GuardOptions{.time_max = time_max, .retry = std::chrono::milliseconds(1)});
          guard = made.get();
          return made;
        }) {}

  Result<Recommendations> ask(Batcher& batcher, const std::string& user, std::chrono::milliseconds deadline) {
    return batcher.answer(CallContext::within(deadline), Town::request(user), kNow);
  }
};

/// The bits of an answer but for who scanned.
std::string places_of(Result<Recommendations> answer) {
  if (answer.ok()) answer->by_fallback = false;
  return bits_of(answer);
}

TEST_CASE("whatever a device does, questions have the answer of the processors before their deadline, and it says so") {
  constexpr std::chrono::seconds kDeadline{60};
  for (const bool hangs : {false, true}) {
    for (const StatusCode code : {StatusCode::kInternal, StatusCode::kResourceExhausted, StatusCode::kUnavailable}) {
      if (hangs && code != StatusCode::kInternal) continue;
      CAPTURE(hangs);
      GuardedTown guarded(hangs ? kPatience : std::chrono::minutes(1));
      Batcher batcher(*guarded.town.recommender, {.size = 8, .at_once = 2});
      const auto well = guarded.ask(batcher, "u1", kDeadline);
      REQUIRE(well.ok());
      CHECK(!well->by_fallback);

      guarded.town.device->tell(hangs ? Act::kHang : Act::kFail, Status(code, "told to"));
      for (int i = 0; i < 3; ++i) {
        const auto answer = guarded.ask(batcher, "u1", kDeadline);
        REQUIRE(answer.ok());
        CHECK(answer->by_fallback);
        CHECK(places_of(answer) == bits_of(well));
      }
      CHECK(guarded.guard->status().open);

      guarded.town.device->tell(Act::kAnswer);
      // It is tried with what is asked, and is taken back.
      while (guarded.guard->status().open) REQUIRE(guarded.ask(batcher, "u2", kDeadline).ok());
      const auto again = guarded.ask(batcher, "u1", kDeadline);
      REQUIRE(again.ok());
      CHECK(!again->by_fallback);
      CHECK(bits_of(again) == bits_of(well));
      CHECK(batcher.status().completed == batcher.status().admitted);
    }
  }
}

TEST_CASE("a whole batch is answered when the device hangs in its scan") {
  GuardedTown guarded(kPatience);
  Batcher batcher(*guarded.town.recommender, {.size = 8, .at_once = 1}, 1);
  guarded.town.device->tell(Act::kHang);
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 5; ++i) {
    callers.push_back(std::make_unique<Caller>(batcher, Town::request("u" + std::to_string(i))));
  }
  for (const auto& caller : callers) {
    REQUIRE(caller->code() == StatusCode::kOk);
    CHECK((*caller->answer)->by_fallback);
  }
  CHECK(guarded.guard->status().open);
}

TEST_CASE("a question that a scan cannot be made for fails alone in its batch") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 8, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller good(batcher, Town::request("u1"));
  await_waiting(batcher, 1);
  RecommendRequest request = Town::request("u2");
  request.position = GeoPoint{40.7005, -74.0005};
  town.device->refuse(gpu::fixed_point(40.7005, -74.0005));
  Caller bad(batcher, request);
  await_waiting(batcher, 2);
  town.device->tell(Act::kAnswer);
  CHECK(leads.code() == StatusCode::kOk);
  CHECK(good.code() == StatusCode::kOk);
  CHECK(bad.code() == StatusCode::kInvalidArgument);
}

}  // namespace
