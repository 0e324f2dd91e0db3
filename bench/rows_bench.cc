// The row cache: how often a row that is read is there, when some events are followed by reads of the same entity and
// most are not, beside LRU that is filled by reads alone, and beside the best that could be done (Belady, 1966, where
// an event may bring its row in as a read may). With it, how many rows an event makes the store read.
//
// A trace is of events, each of which is preceded by a read of its entity with a given chance: users who ask where to
// go before they go. Keys by Zipf's law, and the check-ins of gowalla_nyc in the order of time.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/cache_traces.h"
#include "bench/report.h"
#include "cairn/s3_fifo.h"

namespace {

using namespace cairn;
using bench::Trace;

struct Access {
  std::uint32_t key;
  bool read;
};
using Accesses = std::vector<Access>;

Accesses with_reads(const Trace& events, double chance, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  Accesses accesses;
  for (const std::uint32_t key : events) {
    if (uniform(random) < chance) accesses.push_back({key, true});
    accesses.push_back({key, false});
  }
  return accesses;
}

struct Outcome {
  std::size_t reads = 0;
  std::size_t hits = 0;
  std::size_t events = 0;
  std::size_t fills = 0;  ///< rows that the store had to read for an event

  [[nodiscard]] double ratio() const { return static_cast<double>(hits) / static_cast<double>(reads); }
  [[nodiscard]] double fills_per_event() const { return static_cast<double>(fills) / static_cast<double>(events); }
};

/// What an event does to a row that is not there.
enum class Fill { kNever, kAlways, kHot };

/// Counts of keys, halved from time to time (as TinyLFU's: Einziger et al., ACM TOS 2017), of a few bits each.
class Counts {
 public:
  explicit Counts(std::size_t room) : counts_(std::max<std::size_t>(8 * room, 64)), period_(10 * room) {}
  unsigned add(std::uint32_t key) {
    unsigned char& count = counts_[key * 2654435761U % counts_.size()];
    if (count < 15) ++count;
    if (++added_ % period_ == 0) {
      for (unsigned char& one : counts_) one /= 2;
    }
    return count;
  }

 private:
  std::vector<unsigned char> counts_;
  std::size_t period_;
  std::size_t added_ = 0;
};

class Lru {
 public:
  explicit Lru(std::size_t room) : room_(room) {}
  bool touch(std::uint32_t key) {
    const auto found = at_.find(key);
    if (found == at_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return true;
  }
  void put(std::uint32_t key) {
    order_.push_front(key);
    at_[key] = order_.begin();
    if (at_.size() <= room_) return;
    at_.erase(order_.back());
    order_.pop_back();
  }

 private:
  std::size_t room_;
  std::list<std::uint32_t> order_;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> at_;
};

class Fifo {
 public:
  explicit Fifo(std::size_t room) : cache_(room) {}
  bool touch(std::uint32_t key) { return cache_.find(std::to_string(key)) != nullptr; }
  void put(std::uint32_t key) { cache_.put(std::to_string(key), 'x', 1); }

 private:
  S3Fifo<char> cache_;
};

/// `events_use`: whether an event counts as a use of a row that is there.
template <class Cache>
Outcome run(const Accesses& accesses, std::size_t room, Fill fill, bool events_use, unsigned hot) {
  Cache cache(room);
  Counts counts(room);
  Outcome out;
  for (const Access& one : accesses) {
    if (one.read) {
      ++out.reads;
      if (cache.touch(one.key)) {
        ++out.hits;
      } else {
        cache.put(one.key);
      }
      continue;
    }
    ++out.events;
    if (fill == Fill::kNever && !events_use) continue;
    const unsigned count = counts.add(one.key);
    if (cache.touch(one.key)) continue;
    if (fill == Fill::kNever || (fill == Fill::kHot && count < hot)) continue;
    ++out.fills;
    cache.put(one.key);
  }
  return out;
}

/// Out goes what is read again last of all.
Outcome belady(const Accesses& accesses, std::size_t room) {
  const std::size_t never = accesses.size();
  std::vector<std::size_t> next(accesses.size());
  std::unordered_map<std::uint32_t, std::size_t> later;
  for (std::size_t i = accesses.size(); i-- > 0;) {
    const auto found = later.find(accesses[i].key);
    next[i] = found == later.end() ? never + i : found->second;
    if (accesses[i].read) later[accesses[i].key] = i;
  }
  std::map<std::size_t, std::uint32_t, std::greater<>> by_next;
  std::unordered_map<std::uint32_t, std::size_t> held;
  Outcome out;
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    const Access& one = accesses[i];
    const auto found = held.find(one.key);
    (one.read ? out.reads : out.events) += 1;
    if (found != held.end()) {
      out.hits += one.read ? 1 : 0;
      by_next.erase(found->second);
      held.erase(found);
    }
    if (held.size() == room) {
      if (by_next.begin()->first <= next[i]) continue;
      held.erase(by_next.begin()->second);
      by_next.erase(by_next.begin());
    }
    held[one.key] = next[i];
    by_next[next[i]] = one.key;
  }
  return out;
}

void measure(const bench::Report& report, const std::string& name, const Trace& events, double chance) {
  const Accesses accesses = with_reads(events, chance, 7);
  std::set<std::uint32_t> keys(events.begin(), events.end());
  for (const std::size_t percent : {1, 10, 50}) {
    const std::size_t room = std::max<std::size_t>(keys.size() * percent / 100, 10);
    const double bound = belady(accesses, room).ratio();
    const double today = run<Lru>(accesses, room, Fill::kNever, false, 0).ratio();
    const std::string what = name + ", a read before " + std::to_string(static_cast<int>(chance * 100)) +
                             " % of events, room for " + std::to_string(percent) + " % of " +
                             std::to_string(keys.size()) + " rows";
    const auto add = [&](const std::string& policy, const Outcome& out) {
      char text[64];
      std::snprintf(text, sizeof text, " (%.3f fills an event)", out.fills_per_event());
      report.add({.name = what + ": " + policy + text,
                  .unit = "share",
                  .value = out.ratio(),
                  .peer = bench::Peer{"LRU, by reads alone", today}});
    };
    report.add({.name = what + ": LRU, by reads alone",
                .unit = "share",
                .value = today,
                .peer = bench::Peer{"Belady's bound", bound}});
    add("LRU, events are uses", run<Lru>(accesses, room, Fill::kNever, true, 0));
    add("LRU, filled by each event", run<Lru>(accesses, room, Fill::kAlways, true, 0));
    add("LRU, filled by the 3rd event", run<Lru>(accesses, room, Fill::kHot, true, 3));
    add("S3-FIFO, by reads alone", run<Fifo>(accesses, room, Fill::kNever, false, 0));
    add("S3-FIFO, events are uses", run<Fifo>(accesses, room, Fill::kNever, true, 0));
    add("S3-FIFO, filled by each event", run<Fifo>(accesses, room, Fill::kAlways, true, 0));
    add("S3-FIFO, filled by the 2nd event", run<Fifo>(accesses, room, Fill::kHot, true, 2));
    add("S3-FIFO, filled by the 3rd event", run<Fifo>(accesses, room, Fill::kHot, true, 3));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("rows", argc, argv);
  const std::size_t events = report.quick() ? 100'000 : 300'000;
  for (const double chance : {0.1, 0.5}) {
    measure(report, "Zipf 0.8", bench::zipf(100'000, events, 0.8, 1), chance);
    measure(report, "Zipf 1.0", bench::zipf(100'000, events, 1.0, 2), chance);
  }
  const Trace real = bench::check_ins();
  if (real.empty()) {
    std::fprintf(stderr, "rows: the check-ins of gowalla_nyc are not there (CAIRN_DATA): that case is left out\n");
    return 0;
  }
  for (const double chance : {0.1, 0.5}) measure(report, "check-ins of gowalla_nyc", real, chance);
  return 0;
}
