// Kept answers: how often what stays in a bounded room is asked for again, beside LRU and beside the best that any
// policy could do (Belady, 1966), on made-up and on real requests; and what an answer costs that is given again.
#include <algorithm>
#include <cstdio>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/cache_traces.h"
#include "bench/report.h"
#include "cairn/check.h"
#include "cairn/s3_fifo.h"
#include "engine/cache/answer_cache.h"

namespace {

using namespace cairn;

using bench::check_ins;
using bench::Trace;
using bench::zipf;

double s3_fifo_hits(const Trace& trace, std::size_t room) {
  S3Fifo<char> cache(room);
  std::size_t hits = 0;
  for (const std::uint32_t key : trace) {
    const std::string name = std::to_string(key);
    if (cache.find(name) != nullptr) {
      ++hits;
    } else {
      cache.put(name, 'x', 1);
    }
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

double lru_hits(const Trace& trace, std::size_t room) {
  std::list<std::uint32_t> order;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> at;
  std::size_t hits = 0;
  for (const std::uint32_t key : trace) {
    if (const auto found = at.find(key); found != at.end()) {
      ++hits;
      order.splice(order.begin(), order, found->second);
      continue;
    }
    order.push_front(key);
    at[key] = order.begin();
    if (at.size() <= room) continue;
    at.erase(order.back());
    order.pop_back();
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

/// Out goes what is asked for again last of all.
double belady_hits(const Trace& trace, std::size_t room) {
  std::vector<std::size_t> next(trace.size());
  std::unordered_map<std::uint32_t, std::size_t> later;
  for (std::size_t i = trace.size(); i-- > 0;) {
    const auto found = later.find(trace[i]);
    next[i] = found == later.end() ? trace.size() + i : found->second;
    later[trace[i]] = i;
  }
  std::map<std::size_t, std::uint32_t, std::greater<>> by_next;
  std::unordered_map<std::uint32_t, std::size_t> held;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const auto found = held.find(trace[i]);
    if (found != held.end()) {
      ++hits;
      by_next.erase(found->second);
    } else if (held.size() == room) {
      held.erase(by_next.begin()->second);
      by_next.erase(by_next.begin());
    }
    held[trace[i]] = next[i];
    by_next[next[i]] = trace[i];
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

void measure_policies(const bench::Report& report, const std::string& name, const Trace& trace) {
  const std::size_t keys = std::set<std::uint32_t>(trace.begin(), trace.end()).size();
  for (const std::size_t percent : {1, 10, 50}) {
    const std::size_t room = std::max<std::size_t>(keys * percent / 100, 10);
    const double ours = s3_fifo_hits(trace, room);
    const std::string what =
        "hit ratio, " + name + ", room for " + std::to_string(percent) + " % of " + std::to_string(keys) + " keys";
    report.add({.name = what, .unit = "share", .value = ours, .peer = bench::Peer{"LRU", lru_hits(trace, room)}});
    report.add({.name = what,
                .unit = "share",
                .value = ours,
                .peer = bench::Peer{"Belady's bound", belady_hits(trace, room)}});
  }
}

Recommendations some_answer() {
  Recommendations answer;
  for (int i = 0; i < 20; ++i) {
    answer.items.edit().push_back(
        {{PlaceId("place-" + std::to_string(i)), "A place with a name", {40.7, -74.0}, "Coffee Shop"}, 1.0, 100.0, {}});
  }
  answer.freshness.watermarks = {{"kafka", {Partition{0}, Offset{1'000'000}}}};
  answer.freshness.durable = answer.freshness.watermarks;
  return answer;
}

/// The 95th percentile of what one answer takes, one thread, over keys as Zipf has them.
void measure_hits(const bench::Report& report) {
  constexpr std::size_t kUsers = 20'000;
  const Recommendations made = some_answer();
  cache::AnswerCache cache(
      {.memory_bytes = 256u << 20, .ttl = std::chrono::hours(1), .ttl_min = std::chrono::hours(1)},
      [&](const CallContext&, const RecommendRequest&) { return Result<Recommendations>(made); },
      [] { return std::uint64_t{1}; });
  std::vector<RecommendRequest> requests;
  for (std::size_t i = 0; i < kUsers; ++i) {
    requests.push_back({.user = UserId("user-" + std::to_string(i)), .position = GeoPoint{40.7, -74.0}});
    requests.back().explain = false;
    CAIRN_CHECK(cache.answer({}, requests.back()).ok());
  }
  const Trace trace = zipf(kUsers, report.quick() ? 50'000 : 1'000'000, 1.0, 3);
  std::vector<double> micros;
  micros.reserve(trace.size());
  for (const std::uint32_t user : trace) {
    const auto start = std::chrono::steady_clock::now();
    const auto answer = cache.answer({}, requests[user]);
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    CAIRN_CHECK(answer.ok() && answer->kept);
  }
  const auto at = [&](double share) {
    const auto nth = micros.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(micros.size() - 1));
    std::nth_element(micros.begin(), nth, micros.end());
    return *nth;
  };
  report.add({.name = "kept answer of 20 places, in process, p50",
              .unit = "us",
              .better = bench::Better::kLess,
              .value = at(0.5)});
  report.add({.name = "kept answer of 20 places, in process, p95",
              .unit = "us",
              .better = bench::Better::kLess,
              .value = at(0.95)});
  const AnswerCacheStatus status = cache.status();
  report.add({.name = "memory of a kept answer of 20 places, by its own count",
              .unit = "bytes",
              .better = bench::Better::kLess,
              .value = static_cast<double>(status.bytes) / static_cast<double>(status.entries)});
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("answers", argc, argv);
  measure_hits(report);
  const std::size_t requests = report.quick() ? 100'000 : 2'000'000;
  measure_policies(report, "Zipf 0.8", zipf(100'000, requests, 0.8, 1));
  measure_policies(report, "Zipf 1.0", zipf(100'000, requests, 1.0, 2));
  const Trace real = check_ins();  // each as a request of its user, just before it
  if (real.empty()) {
    std::fprintf(stderr, "answers: the check-ins of gowalla_nyc are not there (CAIRN_DATA): that case is left out\n");
  } else {
    measure_policies(report, "check-ins of gowalla_nyc", real);
  }
  return 0;
}
