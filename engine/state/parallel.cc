#include "engine/state/parallel.h"

#include <algorithm>

#ifdef CAIRN_ENGINE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#else
#include <atomic>
#include <thread>
#include <vector>
#endif

namespace cairn::state {

#ifdef CAIRN_ENGINE_TBB

void for_each_index(std::size_t count, const std::function<void(std::size_t)>& work) {
  if (count == 1) return work(0);
  // One index a task: they are few and large.
  tbb::parallel_for(
      tbb::blocked_range<std::size_t>(0, count, 1),
      [&](const tbb::blocked_range<std::size_t>& range) {
        for (std::size_t i = range.begin(); i < range.end(); ++i) work(i);
      },
      tbb::simple_partitioner());
}

#else

// For ThreadSanitizer, which does not see how the packaged oneTBB hands work over and takes all of it for races.
void for_each_index(std::size_t count, const std::function<void(std::size_t)>& work) {
  constexpr std::size_t kThreads = 3;
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < std::min(count, kThreads); ++i) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
}

#endif

void for_each_chunk(std::size_t events,
                    const std::function<void(std::size_t chunk, std::size_t begin, std::size_t end)>& work) {
  for_each_index(chunks_of(events), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kChunkEvents;
    work(chunk, begin, std::min(events, begin + kChunkEvents));
  });
}

}  // namespace cairn::state
