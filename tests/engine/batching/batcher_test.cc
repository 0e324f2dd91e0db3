#include "engine/batching/batcher.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/batching/told_town.h"
#include "tests/support/environment_number.h"

namespace {

using namespace cairn;
using batching::Batcher;
using namespace cairn::batching_test;

std::uint64_t sum_of(const BatchingStatus& status) {
  return status.completed + status.rejected + status.expired + status.cancelled + status.waiting + status.running;
}

TEST_CASE("a question that is alone is scanned at once, by itself") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 64, .at_once = 1}, 1);
  for (int i = 0; i < 3; ++i) REQUIRE(batcher.answer(CallContext(), Town::request("u1"), kNow).ok());
  CHECK(town.device->sizes() == std::vector<std::size_t>{1, 1, 1, 1});
  const BatchingStatus status = batcher.status();
  CHECK(status.batches == 3);
  CHECK(status.waited[0] == 3);
  CHECK(status.waited_seconds == 0.0);
}

TEST_CASE("a question that waits for what its caller sent waits, and is answered when that has come") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 64, .at_once = 1}, 1);
  RecommendRequest request = Town::request("u1");
  request.min_offset = Watermark{"test", {0, 1'000'000, {}}};
  Caller caller(batcher, request);
  await_waiting(batcher, 1);
  const BatchingStatus status = batcher.status();
  CHECK(status.running == 0);
  CHECK(status.admitted == sum_of(status));
  caller.hangs_up.request_stop();
  CHECK(caller.code() == StatusCode::kCancelled);
  CHECK(batcher.status().waiting == 0);
  CHECK(batcher.status().running == 0);
  CHECK(batcher.status().cancelled == 1);
}

TEST_CASE("what comes while a scan runs gathers, and is scanned together, in batches of the size that is allowed") {
  Town town;
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) {
    const auto alone = town.recommender->recommend(CallContext(), Town::request("u" + std::to_string(i)), kNow);
    expected.push_back(bits_of(alone));
  }
  const std::size_t before = town.device->sizes().size();
  Batcher batcher(*town.recommender, {.size = 4, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  std::vector<std::unique_ptr<Caller>> callers;
  callers.push_back(std::make_unique<Caller>(batcher, Town::request("u0")));
  town.device->await_hanging(1);
  for (int i = 1; i < 7; ++i)
    callers.push_back(std::make_unique<Caller>(batcher, Town::request("u" + std::to_string(i))));
  await_waiting(batcher, 6);
  town.device->tell(Act::kAnswer);
  for (std::size_t i = 0; i < callers.size(); ++i) {
    REQUIRE(callers[i]->code() == StatusCode::kOk);
    CHECK(bits_of(*callers[i]->answer) == expected[i]);
  }
  const std::vector<std::size_t> sizes = town.device->sizes();
  CHECK(std::vector<std::size_t>(sizes.begin() + static_cast<std::ptrdiff_t>(before), sizes.end()) ==
        std::vector<std::size_t>{1, 4, 2});
  const BatchingStatus status = batcher.status();
  CHECK(status.batches == 3);
  CHECK(status.scanned == 7);
  CHECK(status.sizes[0] == 1);
  CHECK(status.sizes[1] == 1);
  CHECK(status.sizes[2] == 1);
}

TEST_CASE("a deadline that passes and a caller that hangs up are told at once, before the scan and within it") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 2, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::milliseconds(30); };
  Caller expires(batcher, Town::request("u1"), soon());
  CHECK(expires.code() == StatusCode::kDeadlineExceeded);  // while the scan before it still hangs
  Caller hangs_up(batcher, Town::request("u2"));
  await_waiting(batcher, 1);
  hangs_up.hangs_up.request_stop();
  CHECK(hangs_up.code() == StatusCode::kCancelled);
  CHECK(batcher.status().waiting == 0);

  // Now four of a batch whose own scan hangs: who waits leaves it at once, who leads ends with it.
  Batcher wide(*town.recommender, {.size = 8, .at_once = 1}, 1);
  Caller first(wide, Town::request("u0"));
  town.device->await_hanging(2);
  std::vector<std::unique_ptr<Caller>> together;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    together.push_back(std::make_unique<Caller>(wide, Town::request("u3")));
    await_waiting(wide, i);
  }
  // Long enough to be taken along, as a rule. On a machine that is slow it expires before.
  Caller short_of_time(wide, Town::request("u3"), soon() + std::chrono::seconds(1));
  while (wide.status().waiting != 4 && wide.status().expired == 0) std::this_thread::yield();
  town.device->let_go();
  CHECK(first.code() == StatusCode::kOk);
  CHECK(leads.code() == StatusCode::kOk);
  town.device->await_hanging(1);
  CHECK(town.device->sizes().back() >= 3);
  CHECK(short_of_time.code() == StatusCode::kDeadlineExceeded);
  together[1]->hangs_up.request_stop();
  CHECK(together[1]->code() == StatusCode::kCancelled);
  town.device->tell(Act::kAnswer);
  CHECK(together[0]->code() == StatusCode::kOk);
  CHECK(together[2]->code() == StatusCode::kOk);
  for (const Batcher* one : {&batcher, &wide}) {
    const BatchingStatus status = one->status();
    CHECK(status.expired == 1);
    CHECK(status.cancelled == 1);
    CHECK(status.admitted == sum_of(status));
  }
  CHECK(wide.status().completed == 3);
}

TEST_CASE("a queue that is full refuses, and so does one that leaves no hope before the deadline") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 8, .at_once = 1, .queue = 2}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller one(batcher, Town::request("u1"));
  Caller two(batcher, Town::request("u2"));
  await_waiting(batcher, 2);
  Caller three(batcher, Town::request("u3"));
  CHECK(three.code() == StatusCode::kResourceExhausted);
  Caller background(batcher, Town::request("u3"), {}, Priority::kBackground);
  CHECK(background.code() == StatusCode::kResourceExhausted);
  town.device->tell(Act::kAnswer);
  CHECK(leads.code() == StatusCode::kOk);
  CHECK(one.code() == StatusCode::kOk);
  CHECK(two.code() == StatusCode::kOk);
  CHECK(batcher.status().rejected == 2);
}

TEST_CASE("who waits for the answer goes before what is wanted for later") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 2, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  std::vector<std::unique_ptr<Caller>> callers;
  std::vector<gpu::FixedPoint> places;
  const auto ask = [&](Priority priority) {
    RecommendRequest request = Town::request("u1");
    request.position = GeoPoint{40.7, -74.0 - 0.001 * static_cast<double>(callers.size() + 1)};
    places.push_back(gpu::fixed_point(request.position->lat, request.position->lon));
    callers.push_back(std::make_unique<Caller>(batcher, request, std::nullopt, priority));
    await_waiting(batcher, callers.size());
  };
  for (const Priority priority :
       {Priority::kBackground, Priority::kInteractive, Priority::kBackground, Priority::kInteractive}) {
    ask(priority);
  }
  const std::size_t before = town.device->sizes().size();
  town.device->tell(Act::kAnswer);
  CHECK(leads.code() == StatusCode::kOk);
  for (const auto& caller : callers) CHECK(caller->code() == StatusCode::kOk);
  const auto scans = town.device->scans();
  REQUIRE(scans.size() == before + 2);
  CHECK(scans[before] == std::vector<gpu::FixedPoint>{places[1], places[3]});
  CHECK(scans[before + 1] == std::vector<gpu::FixedPoint>{places[0], places[2]});
}

TEST_CASE("a scan that fails fails its questions, and the next is scanned") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 8, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller one(batcher, Town::request("u1"));
  Caller two(batcher, Town::request("u2"));
  await_waiting(batcher, 2);
  town.device->tell(Act::kFail, internal_error("told to"));
  CHECK(leads.code() == StatusCode::kInternal);
  CHECK(one.code() == StatusCode::kInternal);
  CHECK(two.code() == StatusCode::kInternal);
  town.device->tell(Act::kAnswer);
  CHECK(batcher.answer(CallContext(), Town::request("u1"), kNow).ok());
  CHECK(batcher.status().completed == 4);
}

TEST_CASE("what waits when the batcher stops is refused, what is scanned is answered") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 8, .at_once = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller waits(batcher, Town::request("u1"));
  await_waiting(batcher, 1);
  batcher.stop();
  CHECK(waits.code() == StatusCode::kUnavailable);
  town.device->tell(Act::kAnswer);
  CHECK(leads.code() == StatusCode::kOk);
  CHECK(batcher.answer(CallContext(), Town::request("u1"), kNow).status().code() == StatusCode::kUnavailable);
  const BatchingStatus status = batcher.status();
  CHECK(status.rejected == 2);
  CHECK(status.admitted == sum_of(status));
}

TEST_CASE("more batches may be led than are scanned at the same time: the others are ready when a scan is over") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 4, .at_once = 1}, 2);
  const std::size_t before = town.device->sizes().size();
  town.device->tell(Act::kHang);
  Caller scanned(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller next(batcher, Town::request("u1"));
  while (batcher.status().batches != 2) std::this_thread::yield();
  Caller waits(batcher, Town::request("u2"));
  await_waiting(batcher, 1);
  CHECK(town.device->sizes().size() == before + 1);
  town.device->let_go();
  CHECK(scanned.code() == StatusCode::kOk);
  town.device->await_hanging(1);
  town.device->tell(Act::kAnswer);
  CHECK(next.code() == StatusCode::kOk);
  CHECK(waits.code() == StatusCode::kOk);
  CHECK(batcher.status().batches == 3);
}

TEST_CASE("batches of one are bounded like others: what the queue does not hold is refused") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 1, .at_once = 1, .queue = 1}, 1);
  town.device->tell(Act::kHang);
  Caller leads(batcher, Town::request("u0"));
  town.device->await_hanging(1);
  Caller waits(batcher, Town::request("u1"));
  await_waiting(batcher, 1);
  Caller refused(batcher, Town::request("u2"));
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  town.device->tell(Act::kAnswer);
  CHECK(leads.code() == StatusCode::kOk);
  CHECK(waits.code() == StatusCode::kOk);
  const BatchingStatus status = batcher.status();
  CHECK(status.batches == 2);
  CHECK(status.scanned == 2);
}

TEST_CASE("with batches of one each question goes its own way") {
  Town town;
  Batcher batcher(*town.recommender, {.size = 1, .at_once = 2});
  town.device->tell(Act::kHang);
  Caller one(batcher, Town::request("u0"));
  Caller two(batcher, Town::request("u1"));
  town.device->await_hanging(2);
  town.device->tell(Act::kAnswer);
  CHECK(one.code() == StatusCode::kOk);
  CHECK(two.code() == StatusCode::kOk);
}

TEST_CASE("under random loads every question that was admitted is completed, rejected, expired or cancelled") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 31);
  INFO("CAIRN_TEST_SEED=", seed);
  Town town;
  std::vector<std::string> expected;
  for (int i = 0; i < 8; ++i) {
    const auto alone = town.recommender->recommend(CallContext(), Town::request("u" + std::to_string(i)), kNow);
    expected.push_back(bits_of(alone));
  }
  Batcher batcher(*town.recommender, {.size = 5, .at_once = 2, .queue = 6});
  std::atomic<std::uint64_t> ok{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> outcomes[4] = {};  // rejected, expired, cancelled, anything else
  constexpr int kCallers = 12;
  constexpr int kQuestions = 60;
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < kCallers; ++c) {
      callers.emplace_back([&, c] {
        std::mt19937_64 random(seed * 100 + static_cast<std::uint64_t>(c));
        for (int i = 0; i < kQuestions; ++i) {
          CallContext call;
          std::stop_source hangs_up;
          call.cancelled = hangs_up.get_token();
          if (random() % 3 == 0) {
            call.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 4'000);
          }
          if (random() % 4 == 0) call.priority = Priority::kBackground;
          std::jthread other;
          if (random() % 4 == 0) other = std::jthread([&] { hangs_up.request_stop(); });
          const std::size_t user = random() % expected.size();
          const auto answer = batcher.answer(call, Town::request("u" + std::to_string(user)), kNow);
          switch (answer.status().code()) {
            case StatusCode::kOk:
              ++ok;
              if (bits_of(answer) != expected[user]) ++wrong;
              break;
            case StatusCode::kResourceExhausted:
              ++outcomes[0];
              break;
            case StatusCode::kDeadlineExceeded:
              ++outcomes[1];
              break;
            case StatusCode::kCancelled:
              ++outcomes[2];
              break;
            default:
              ++outcomes[3];
          }
        }
      });
    }
    const std::jthread watches([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const BatchingStatus status = batcher.status();
        if (status.admitted != sum_of(status) || status.waiting > 6) ++wrong;
        std::this_thread::yield();
      }
    });
    callers.clear();
  }
  CHECK(wrong == 0);
  CHECK(outcomes[3] == 0);
  const BatchingStatus status = batcher.status();
  CHECK(status.admitted == kCallers * kQuestions);
  CHECK(status.completed == ok);
  CHECK(status.rejected == outcomes[0]);
  CHECK(status.expired == outcomes[1]);
  CHECK(status.cancelled == outcomes[2]);
  CHECK(status.waiting == 0);
  CHECK(status.running == 0);
}

}  // namespace
