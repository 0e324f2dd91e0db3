// Admission alone, without a protocol: which calls run, which are refused, and that none is lost from the count.

#include "engine/serving/admission/admission.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <random>
#include <semaphore>
#include <thread>
#include <vector>

#include "cairn/mutex.h"
#include "engine/serving/admission/worker_pool.h"
#include "tests/engine/serving/fake_engine.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// What became of some calls, by the calls' own account.
class Outcomes {
 public:
  /// A call that is noted here when it has run `work`, or has been refused.
  Call call(std::function<void(const CallContext&)> work = [](const CallContext&) {}) {
    Call made;
    made.run = [this, work = std::move(work)](const CallContext& context) {
      work(context);
      note(ok_status());
    };
    made.refuse = [this](const Status& why) { note(why); };
    return made;
  }
  Call call_within(milliseconds time) {
    Call made = call();
    made.context = CallContext::within(time);
    return made;
  }

  std::vector<StatusCode> await(std::size_t count) {
    const MutexLock lock(mutex_);
    while (codes_.size() < count) changed_.wait(mutex_);
    return codes_;
  }
  std::uint64_t count(StatusCode code) {
    const MutexLock lock(mutex_);
    return static_cast<std::uint64_t>(std::count(codes_.begin(), codes_.end(), code));
  }

 private:
  void note(const Status& status) {
    const MutexLock lock(mutex_);
    codes_.push_back(status.code());
    changed_.notify_all();
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<StatusCode> codes_ CAIRN_GUARDED_BY(mutex_);
};

std::uint64_t accounted(const LaneCounts& counts) {
  return counts.completed + counts.rejected + counts.expired + counts.queued + counts.running;
}

}  // namespace

TEST_SUITE_BEGIN("admission");

TEST_CASE("a call whose deadline passes in the queue is refused while every thread is busy, and never runs") {
  Gate gate;
  Outcomes outcomes;
  Outcomes hasty;
  WorkerPool pool(1, 8);
  pool.submit(outcomes.call([&](const CallContext&) { gate.wait(); }));
  gate.await_waiting(1);
  Call call = hasty.call_within(milliseconds(5));
  const std::stop_source cancel = call.cancel;
  const auto deadline = *call.context.deadline;
  pool.submit(std::move(call));
  pool.submit(outcomes.call());  // without a deadline: it goes on waiting
  CHECK(hasty.await(1) == std::vector{StatusCode::kDeadlineExceeded});
  CHECK(steady_clock::now() >= deadline);
  CHECK(cancel.stop_requested());
  CHECK(pool.counts().expired == 1);
  CHECK(pool.counts().queued == 1);
  gate.open();
  CHECK(outcomes.await(2) == std::vector{StatusCode::kOk, StatusCode::kOk});
}

TEST_CASE("deadlines in the queue pass in their own order, not in the order of arrival") {
  Gate gate;
  Outcomes outcomes;
  Outcomes late;
  Outcomes soon;
  WorkerPool pool(1, 8);
  pool.submit(outcomes.call([&](const CallContext&) { gate.wait(); }));
  gate.await_waiting(1);
  pool.submit(late.call_within(seconds(3600)));
  pool.submit(soon.call_within(milliseconds(5)));
  CHECK(soon.await(1) == std::vector{StatusCode::kDeadlineExceeded});
  CHECK(pool.counts().queued == 1);
  gate.open();
  CHECK(late.await(1) == std::vector{StatusCode::kOk});
}

TEST_CASE("a call that is late when a thread takes it does not run") {
  Outcomes outcomes;
  WorkerPool pool(1, 8);
  pool.submit(outcomes.call_within(milliseconds(-1)));
  CHECK(outcomes.await(1) == std::vector{StatusCode::kDeadlineExceeded});
}

TEST_CASE("a call that would not be reached before its deadline is refused when it comes") {
  constexpr milliseconds kWindow{260};  // longer than what a pool counts within
  Outcomes outcomes;
  std::counting_semaphore<> may_end(0);
  WorkerPool pool(1, 32);
  for (int i = 0; i < 20; ++i) pool.submit(outcomes.call([&](const CallContext&) { may_end.acquire(); }));
  // No pace is known yet: a deadline that is far away will do.
  pool.submit(outcomes.call_within(seconds(60)));
  may_end.release();
  outcomes.await(1);
  const auto later = steady_clock::now() + kWindow;
  while (steady_clock::now() < later) std::this_thread::yield();
  may_end.release();
  outcomes.await(2);
  while (pool.counts().completed < 2) std::this_thread::yield();
  // One call ended in 260 ms, and 18 wait, so that the next comes after more than 4 seconds.
  Outcomes hasty;
  pool.submit(hasty.call_within(seconds(1)));
  CHECK(hasty.await(1) == std::vector{StatusCode::kResourceExhausted});
  Outcomes patient;
  pool.submit(patient.call_within(seconds(3600)));
  CHECK(pool.counts().rejected == 1);
  may_end.release(20);
  CHECK(patient.await(1) == std::vector{StatusCode::kOk});
  outcomes.await(21);
  // Nobody waits any more: what was slow before says nothing of now.
  Outcomes fresh;
  pool.submit(fresh.call_within(seconds(60)));
  CHECK(fresh.await(1) == std::vector{StatusCode::kOk});
}

TEST_CASE("a full queue refuses at once, and what it holds is served") {
  Gate gate;
  Outcomes outcomes;
  WorkerPool pool(2, 3);
  for (int i = 0; i < 2; ++i) pool.submit(outcomes.call([&](const CallContext&) { gate.wait(); }));
  gate.await_waiting(2);
  for (int i = 0; i < 3; ++i) pool.submit(outcomes.call());
  CHECK(outcomes.count(StatusCode::kResourceExhausted) == 0);
  Call refused = outcomes.call();
  const std::stop_source cancel = refused.cancel;
  pool.submit(std::move(refused));
  CHECK(outcomes.count(StatusCode::kResourceExhausted) == 1);
  CHECK(cancel.stop_requested());
  gate.open();
  (void)outcomes.await(6);
  CHECK(outcomes.count(StatusCode::kOk) == 5);
}

TEST_CASE("stopping refuses what is queued and what comes later, and cancels what runs") {
  Gate started;
  Outcomes outcomes;
  WorkerPool pool(1, 8);
  pool.submit(outcomes.call([&](const CallContext& context) {
    started.open();
    Mutex mutex;
    std::condition_variable_any never;
    MutexLock lock(mutex);
    never.wait(lock, context.cancelled, [] { return false; });  // ends by the token alone
  }));
  started.wait();
  for (int i = 0; i < 3; ++i) pool.submit(outcomes.call());
  pool.stop();
  pool.submit(outcomes.call());
  CHECK(outcomes.count(StatusCode::kOk) == 1);
  CHECK(outcomes.count(StatusCode::kUnavailable) == 4);
  CHECK(pool.counts().completed == 1);
  CHECK(pool.counts().rejected == 4);
}

TEST_CASE("admitted is completed plus rejected plus expired, whatever happens at once") {
  constexpr int kClients = 4;
  constexpr int kCallsEach = 2000;
  constexpr int kInFlight = 8;  // of each client: together more than the threads and the queue take
  std::vector<Outcomes> outcomes(kClients);
  WorkerPool pool(2, 16);
  std::atomic<bool> done{false};
  std::thread observer([&] {
    while (!done) {
      const LaneCounts counts = pool.counts();
      if (counts.admitted != accounted(counts)) FAIL_CHECK("a call is missing from the count");
    }
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      std::mt19937 random(static_cast<unsigned>(c));
      Outcomes& mine = outcomes[static_cast<std::size_t>(c)];
      for (int i = 0; i < kCallsEach; ++i) {
        // Some are late already, some become so in the queue, some have time.
        const auto time = std::chrono::microseconds(static_cast<int>(random() % 400) - 50);
        Call call = mine.call([](const CallContext&) { std::this_thread::yield(); });
        if (random() % 4 != 0) call.context.deadline = steady_clock::now() + time;
        pool.submit(std::move(call));
        if (i >= kInFlight) (void)mine.await(static_cast<std::size_t>(i - kInFlight));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  pool.stop();
  done = true;
  observer.join();
  const LaneCounts final_counts = pool.counts();
  const auto sum = [&](StatusCode code) {
    std::uint64_t total = 0;
    for (Outcomes& client : outcomes) total += client.count(code);
    return total;
  };
  CHECK(final_counts.admitted == kClients * kCallsEach);
  CHECK(final_counts.queued == 0);
  CHECK(final_counts.running == 0);
  CHECK(final_counts.admitted == final_counts.completed + final_counts.rejected + final_counts.expired);
  // The calls' own account agrees.
  CHECK(final_counts.completed == sum(StatusCode::kOk));
  CHECK(final_counts.expired == sum(StatusCode::kDeadlineExceeded));
  CHECK(final_counts.rejected == sum(StatusCode::kResourceExhausted) + sum(StatusCode::kUnavailable));
  CHECK(final_counts.completed > 0);
  CHECK(final_counts.expired > 0);
}

TEST_CASE("lanes do not share threads, and each counts its own") {
  Gate gate;
  Outcomes outcomes;
  Outcomes reads;
  Admission admission({.threads = 1});
  for (int i = 0; i < 4 + 256; ++i)
    admission.submit(Lane::kWrite, outcomes.call([&](const CallContext&) { gate.wait(); }));
  gate.await_waiting(4);
  admission.submit(Lane::kRead, reads.call());
  CHECK(reads.await(1) == std::vector{StatusCode::kOk});
  admission.submit(Lane::kInline, reads.call());
  CHECK(reads.count(StatusCode::kOk) == 2);  // has run on return
  CHECK(admission.counts(Lane::kInline).completed == 1);
  CHECK(admission.counts(Lane::kWrite).running == 4);
  CHECK(admission.counts(Lane::kWait).admitted == 0);
  gate.open();
}

TEST_SUITE_END();
