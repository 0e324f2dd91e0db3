#include "engine/batching/turns.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "cairn/status.h"

namespace {

using namespace cairn;
using batching::Turns;
using Step = Turns::Step;

void await_waiting(const Turns& turns, std::size_t number) {
  while (turns.waiting() != number) std::this_thread::yield();
}

/// The only turn of `turns`, until `end()`.
class Holder {
 public:
  explicit Holder(Turns& turns)
      : thread_([this, &turns] {
          const Status held = turns.run(CallContext(), Step::kBegin, [this] {
            has_it_.set_value();
            over_.get_future().wait();
            return ok_status();
          });
          CHECK(held.ok());
        }) {
    has_it_.get_future().wait();
  }
  void end() { over_.set_value(); }

 private:
  std::promise<void> has_it_;
  std::promise<void> over_;
  std::jthread thread_;
};

TEST_CASE("no more callers compute at the same time than there are turns, and each computes once") {
  constexpr int kTurns = 3;
  Turns turns(kTurns);
  std::atomic<int> computing = 0;
  std::atomic<int> most = 0;
  std::atomic<int> computed = 0;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) {
        const Status ran = turns.run(CallContext(), (i + round) % 2 == 0 ? Step::kBegin : Step::kEnd, [&] {
          const int now = ++computing;
          int seen = most.load();
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          std::this_thread::yield();
          --computing;
          ++computed;
          return ok_status();
        });
        if (!ran.ok()) FAIL_CHECK(ran.message());
      }
    });
  }
  callers.clear();
  CHECK(computed == 16 * 500);
  CHECK(most <= kTurns);
  CHECK(turns.waiting() == 0);
}

TEST_CASE("of those who wait, who ends goes before who begins, and else who came first") {
  Turns turns(1);
  Holder holder(turns);
  std::string order;  // one at a time writes it
  std::vector<std::jthread> callers;
  const auto come = [&](char name, Step step) {
    callers.emplace_back([&turns, &order, name, step] {
      const Status ran = turns.run(CallContext(), step, [&] {
        order += name;
        return ok_status();
      });
      CHECK(ran.ok());
    });
    await_waiting(turns, callers.size());
  };
  come('a', Step::kBegin);
  come('B', Step::kEnd);
  come('c', Step::kBegin);
  come('D', Step::kEnd);
  holder.end();
  callers.clear();
  CHECK(order == "BDac");
}

TEST_CASE("who gives up while waiting computes nothing and takes no turn with it") {
  Turns turns(1);
  Holder holder(turns);
  bool computed = false;
  const auto compute = [&computed] {
    computed = true;
    return ok_status();
  };
  CHECK(turns.run(CallContext::within(std::chrono::milliseconds(1)), Step::kEnd, compute).code() ==
        StatusCode::kDeadlineExceeded);
  std::stop_source hang_up;
  CallContext call;
  call.cancelled = hang_up.get_token();
  StatusCode code = StatusCode::kOk;
  std::jthread caller([&] { code = turns.run(call, Step::kBegin, compute).code(); });
  await_waiting(turns, 1);
  hang_up.request_stop();
  caller.join();
  CHECK(code == StatusCode::kCancelled);
  CHECK_FALSE(computed);
  holder.end();
  CHECK(turns.run(CallContext(), Step::kBegin, compute).ok());
  CHECK(computed);
}

TEST_CASE("a turn is given back when what was computed throws") {
  Turns turns(1);
  CHECK_THROWS_AS((void)turns.run(CallContext(), Step::kBegin, []() -> Status { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(turns.run(CallContext(), Step::kEnd, [] { return ok_status(); }).ok());
}

}  // namespace
