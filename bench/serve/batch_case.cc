// Questions of many callers, scanned together and each alone, in process: the same engine parts, in turn, in the same
// run.
//
// First, how many a second are answered to 64 callers that each wait for one answer before they ask again: a million
// places, everywhere, vectors of 64 dimensions. Then, how long an answer takes when 1,000 questions a second come, as
// they come and not as they are answered: 40,000 places, 5 km. What the machine is asked beside it counts.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/city.h"
#include "engine/batching/batcher.h"
#include "gpu/guarded_backend.h"

namespace cairn::bench {
namespace {

using Clock = std::chrono::steady_clock;
using batching::Batcher;

constexpr std::size_t kCallers = 64;
constexpr std::size_t kUsersAsking = 1'000;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

RecommendRequest question(std::size_t number, double radius_meters) {
  return {.user = UserId("u" + std::to_string(number % kUsersAsking)),
          .position = kCityCenter,
          .radius_meters = radius_meters};
}

/// Answers a second.
double closed_loop(Batcher& batcher, double radius_meters, double seconds) {
  std::atomic<std::size_t> answered{0};
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < kCallers; ++c) {
      callers.emplace_back([&, c] {
        for (std::size_t i = c; Clock::now() < end; i += kCallers) {
          CAIRN_CHECK(batcher.answer(CallContext(), question(i, radius_meters), kCityNow).ok());
          answered.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
  }
  return static_cast<double>(answered) / std::chrono::duration<double>(Clock::now() - begin).count();
}

void rate(ServeRun& run) {
  const std::size_t places = run.options.quick ? 100'000 : 1'000'000;
  City city(places, 200'000);
  city.serve_vectors(places);
  Batcher together(*city.recommender, {});
  Batcher alone(*city.recommender, {.size = 1});
  const double radius = 20'100'000.0;
  std::vector<double> ours;
  std::vector<double> theirs;
  closed_loop(together, radius, 1.0);
  for (std::size_t round = run.rounds(3); round > 0; --round) {
    ours.push_back(closed_loop(together, radius, 3.0));
    theirs.push_back(closed_loop(alone, radius, 3.0));
  }
  const BatchingStatus status = together.status();
  std::fprintf(stderr, "   %.1f questions a batch, waited %.1f ms\n",
               static_cast<double>(status.scanned) / static_cast<double>(status.batches),
               1e3 * status.waited_seconds / static_cast<double>(status.scanned));
  run.report.add({.name = "batches n=" + std::to_string(places) + " everywhere vectors=64 callers=64",
                  .unit = "answers/s",
                  .better = Better::kMore,
                  .value = median(ours),
                  .peer = Peer{"each alone", median(theirs)}});
}

/// The same on a CUDA device with the processors behind it, beside the processors alone; nothing where there is none.
void rate_on_device(ServeRun& run) {
  auto device = gpu::open_cuda_backend({});
  if (!device.ok()) {
    std::fprintf(stderr, "   no device: %s\n", device.status().message().c_str());
    return;
  }
  const std::string name((*device)->name());
  const std::size_t places = run.options.quick ? 100'000 : 1'000'000;
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
    const double radius = 20'100'000.0;
    std::vector<double> ours;
    std::vector<double> theirs;
    closed_loop(on_device, radius, 1.0);
    for (std::size_t round = run.rounds(3); round > 0; --round) {
      ours.push_back(closed_loop(on_device, radius, 2.0));
      theirs.push_back(closed_loop(on_processors, radius, 2.0));
    }
    const BatchingStatus status = on_device.status();
    const gpu::GuardStatus told = guard.status();
    std::fprintf(stderr, "   %s: %.1f questions a batch, %llu scans on the device, %llu fallbacks %s\n", name.c_str(),
                 static_cast<double>(status.scanned) / static_cast<double>(status.batches),
                 static_cast<unsigned long long>(told.scans), static_cast<unsigned long long>(told.fallbacks),
                 told.last_failure.c_str());
    run.report.add({.name = "batches " + name + " at_once=" + std::to_string(at_once) + " n=" + std::to_string(places) +
                            " everywhere vectors=64 callers=64",
                    .unit = "answers/s",
                    .better = Better::kMore,
                    .value = median(ours),
                    .peer = Peer{"batches on the processors", median(theirs)}});
  }
}

struct Latencies {
  double p50 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
};

/// Milliseconds from when a question came to its answer, at so many a second, as a Poisson process.
Latencies open_loop(Batcher& batcher, double radius_meters, double per_second, double seconds, std::uint64_t seed) {
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
          CAIRN_CHECK(batcher.answer(CallContext(), question(i, radius_meters), kCityNow).ok());
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

void latency(ServeRun& run) {
  City city(40'000, 200'000);
  city.serve_vectors(40'000);
  Batcher together(*city.recommender, {});
  Batcher alone(*city.recommender, {.size = 1});
  closed_loop(together, 5'000.0, 0.5);
  std::vector<double> ours[3];
  std::vector<double> theirs[3];
  for (std::size_t round = run.rounds(3); round > 0; --round) {
    const auto note = [](const Latencies& one, std::vector<double>* into) {
      into[0].push_back(one.p50);
      into[1].push_back(one.p95);
      into[2].push_back(one.p99);
    };
    note(open_loop(together, 5'000.0, 1'000.0, 2.0, round), ours);
    note(open_loop(alone, 5'000.0, 1'000.0, 2.0, round), theirs);
  }
  constexpr const char* kNames[] = {"p50", "p95", "p99"};
  for (std::size_t i = 0; i < 3; ++i) {
    run.report.add({.name = std::string("batches n=40000 radius=5km vectors=64 1000 questions/s ") + kNames[i],
                    .unit = "ms",
                    .better = Better::kLess,
                    .value = median(ours[i]),
                    .peer = Peer{"each alone", median(theirs[i])}});
  }
}

}  // namespace

void batch_case(ServeRun& run) {
  latency(run);
  rate(run);
  rate_on_device(run);
}

}  // namespace cairn::bench
