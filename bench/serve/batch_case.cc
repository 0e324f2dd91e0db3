// Questions of many callers, scanned together and each alone, in process: the same engine parts, in turn, in the same
// run.
//
// First, how long an answer takes when 1,000 questions a second come, as they come and not as they are answered: 40,000
// places, 5 km; beside a loop that takes as much processor time a question, as many at a time as there are processors:
// what this machine makes of such a load, when there is nothing but the load. Then, how many answers a second of the
// clock, and a second of processor time, come to 64 callers that each wait for one before they ask again: a million
// places, everywhere, vectors of 64 dimensions; and on a CUDA device, where there is one, beside the processors.
#include <ctime>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/city.h"
#include "bench/serve/measure.h"
#include "engine/batching/batcher.h"
#include "gpu/guarded_backend.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;
using batching::Batcher;

constexpr std::size_t kCallers = 64;
constexpr std::size_t kUsersAsking = 1'000;

RecommendRequest question(std::size_t number, double radius_meters) {
  return {.user = UserId("u" + std::to_string(number % kUsersAsking)),
          .position = kCityCenter,
          .radius_meters = radius_meters};
}

/// Answers in a second of the clock, and in a second of processor time.
struct Rate {
  double per_second = 0.0;
  double per_processor_second = 0.0;
};

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Rate closed_loop(Batcher& batcher, double radius_meters, std::size_t answers) {
  std::atomic<std::size_t> next{0};
  const auto begin = Clock::now();
  const double processor = processor_seconds();
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < kCallers; ++c) {
      callers.emplace_back([&] {
        for (std::size_t i = next.fetch_add(1); i < answers; i = next.fetch_add(1)) {
          CAIRN_CHECK(batcher.answer(CallContext(), question(i, radius_meters), kCityNow).ok());
        }
      });
    }
  }
  const auto count = static_cast<double>(answers);
  return {count / std::chrono::duration<double>(Clock::now() - begin).count(),
          count / (processor_seconds() - processor)};
}

/// Runs each side in turn. `with` names what is asked.
void compare(ServeRun& run, const std::string& with, Batcher& ours, const std::string& peer, Batcher& theirs,
             double radius_meters, std::size_t answers) {
  std::vector<double> our[2];
  std::vector<double> their[2];
  const auto note = [](const Rate& rate, std::vector<double>* into) {
    into[0].push_back(rate.per_second);
    into[1].push_back(rate.per_processor_second);
  };
  closed_loop(ours, radius_meters, answers / 4);  // the columns of the hour are made, and rows are read
  for (std::size_t round = run.rounds(3); round > 0; --round) {
    note(closed_loop(ours, radius_meters, answers), our);
    note(closed_loop(theirs, radius_meters, answers), their);
  }
  const BatchingStatus status = ours.status();
  std::fprintf(stderr, "   %.1f questions a batch, waited %.1f ms\n",
               static_cast<double>(status.scanned) / static_cast<double>(status.batches),
               1e3 * status.waited_seconds / static_cast<double>(status.scanned));
  constexpr const char* kUnits[] = {"answers/s", "answers/processor s"};
  for (std::size_t i = 0; i < 2; ++i) {
    run.report.add({.name = "batches " + with + " callers=" + std::to_string(kCallers),
                    .unit = kUnits[i],
                    .better = Better::kMore,
                    .value = median(our[i]),
                    .peer = Peer{peer, median(their[i])}});
  }
}

constexpr double kEverywhere = 20'100'000.0;
constexpr std::size_t kAnswers = 512;

std::size_t many_places(const ServeRun& run) { return run.options.quick ? 100'000 : 1'000'000; }

std::string named(std::size_t places) { return "n=" + std::to_string(places) + " everywhere vectors=64"; }

void rate(ServeRun& run) {
  const std::size_t places = many_places(run);
  City city(places, 200'000);
  city.serve_vectors(places);
  Batcher together(*city.recommender, {});
  Batcher alone(*city.recommender, {.size = 1});
  compare(run, named(places), together, "each alone", alone, kEverywhere, kAnswers);
}

/// The same on a CUDA device with the processors behind it, beside the processors alone; nothing where there is none.
void rate_on_device(ServeRun& run) {
  auto device = gpu::open_cuda_backend({});
  if (!device.ok()) {
    std::fprintf(stderr, "   no device: %s\n", device.status().message().c_str());
    return;
  }
  const std::string name((*device)->name());
  const std::size_t places = many_places(run);
  auto guarded =
      std::make_unique<gpu::GuardedBackend>(*std::move(device), gpu::make_cpu_backend({.threads = 1}).value());
  const gpu::GuardedBackend& guard = *guarded;
  City there(places, 200'000, std::move(guarded));
  there.serve_vectors(places);
  City here(places, 200'000);
  here.serve_vectors(places);
  for (const std::size_t at_once : {1, 2, 4}) {
    Batcher on_device(*there.recommender, {.at_once = at_once});
    Batcher on_processors(*here.recommender, {});
    compare(run, name + " at_once=" + std::to_string(at_once) + " " + named(places), on_device,
            "batches on the processors", on_processors, kEverywhere, 8 * kAnswers);
  }
  const gpu::GuardStatus told = guard.status();
  std::fprintf(stderr, "   %llu scans on the device, %llu by the processors %s\n",
               static_cast<unsigned long long>(told.scans), static_cast<unsigned long long>(told.fallbacks),
               told.last_failure.c_str());
}

struct Latencies {
  double p50 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
};

/// Milliseconds from when a question came to its answer, at so many a second, as a Poisson process. `answer` is called
/// with the question's number, by kCallers threads.
Latencies open_loop(const std::function<void(std::size_t)>& answer, double per_second, double seconds,
                    std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> gap(per_second);
  std::vector<double> comes;
  for (double at = gap(random); at < seconds; at += gap(random)) comes.push_back(at);
  std::vector<double> took(comes.size());
  std::atomic<std::size_t> next{0};
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < kCallers; ++c) {
      callers.emplace_back([&] {
        for (std::size_t i = next.fetch_add(1); i < comes.size(); i = next.fetch_add(1)) {
          const auto at = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(comes[i]));
          std::this_thread::sleep_until(at);
          answer(i);
          took[i] = std::chrono::duration<double, std::milli>(Clock::now() - at).count();
        }
      });
    }
  }
  std::sort(took.begin(), took.end());
  const auto at = [&](double share) {
    return took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1))];
  };
  return {at(0.5), at(0.95), at(0.99)};
}

/// Takes as much processor time a question as it is given, as many questions at a time as there are processors.
class PlainWork {
 public:
  explicit PlainWork(double seconds) : free_(std::max(1U, std::thread::hardware_concurrency())) {
    std::vector<double> of_steps;
    for (int i = 0; i < 101; ++i) {
      const double begin = thread_seconds();
      keep_ += spin(kSteps);
      of_steps.push_back(thread_seconds() - begin);
    }
    steps_ = static_cast<std::uint64_t>(seconds / median(of_steps) * static_cast<double>(kSteps));
  }
  void answer() {
    free_.acquire();
    keep_ += spin(steps_);
    free_.release();
  }

 private:
  static constexpr std::uint64_t kSteps = 100'000;
  std::counting_semaphore<> free_;
  std::uint64_t steps_ = 0;
  std::atomic<std::uint64_t> keep_ = 0;  ///< or no loop would be left
};

void latency(ServeRun& run) {
  City city(40'000, 200'000);
  city.serve_vectors(40'000);
  Batcher together(*city.recommender, {});
  Batcher alone(*city.recommender, {.size = 1});
  closed_loop(together, 5'000.0, 1'000);
  std::vector<double> of_question;
  for (std::size_t i = 0; i < kUsersAsking; ++i) {
    const double begin = thread_seconds();
    CAIRN_CHECK(alone.answer(CallContext(), question(i, 5'000.0), kCityNow).ok());
    of_question.push_back(thread_seconds() - begin);
  }
  PlainWork work(median(of_question));
  std::fprintf(stderr, "   a question takes %.0f us of a processor\n", 1e6 * median(of_question));
  const auto by = [](Batcher& batcher) {
    return
        [&batcher](std::size_t i) { CAIRN_CHECK(batcher.answer(CallContext(), question(i, 5'000.0), kCityNow).ok()); };
  };
  std::vector<double> ours[3];
  std::vector<double> theirs[3];
  std::vector<double> plain[3];
  for (std::size_t round = run.rounds(3); round > 0; --round) {
    const auto note = [](const Latencies& one, std::vector<double>* into) {
      into[0].push_back(one.p50);
      into[1].push_back(one.p95);
      into[2].push_back(one.p99);
    };
    note(open_loop(by(together), 1'000.0, 2.0, round), ours);
    note(open_loop(by(alone), 1'000.0, 2.0, round), theirs);
    note(open_loop([&](std::size_t) { work.answer(); }, 1'000.0, 2.0, round), plain);
  }
  constexpr const char* kNames[] = {"p50", "p95", "p99"};
  for (std::size_t i = 0; i < 3; ++i) {
    Case measured{.name = std::string("batches n=40000 radius=5km vectors=64 1000 questions/s ") + kNames[i],
                  .unit = "ms",
                  .better = Better::kLess,
                  .value = median(ours[i]),
                  .peer = Peer{"each alone", median(theirs[i])}};
    run.report.add(measured);
    measured.peer = Peer{"a loop of as much processor time", median(plain[i])};
    run.report.add(measured);
  }
}

}  // namespace

void batch_case(ServeRun& run) {
  latency(run);
  rate(run);
  rate_on_device(run);
}

}  // namespace cairn::bench
