#include "gpu/parallel.h"

#include <sched.h>

#include <algorithm>

#ifdef CAIRN_GPU_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#else
#include <atomic>
#include <thread>
#include <vector>
#endif

namespace cairn::gpu {
namespace {

std::size_t processors() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<std::size_t>(CPU_COUNT(&set)) : 1;
}

#ifdef CAIRN_GPU_TBB

void run(std::size_t threads, std::size_t chunks, const std::function<void(std::size_t)>& work) {
  const auto loop = [&] {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, chunks, 1),
        [&](const tbb::blocked_range<std::size_t>& range) {
          for (std::size_t chunk = range.begin(); chunk != range.end(); ++chunk) work(chunk);
        },
        tbb::simple_partitioner());
  };
  // An arena wider than the machine would only make oneTBB complain.
  if (threads >= static_cast<std::size_t>(tbb::this_task_arena::max_concurrency())) return loop();
  tbb::task_arena(static_cast<int>(threads)).execute(loop);
}

#else

void run(std::size_t threads, std::size_t chunks, const std::function<void(std::size_t)>& work) {
  // Each thread takes the next chunk when it has done one, so that uneven chunks keep all threads busy.
  std::atomic<std::size_t> next{0};
  const auto take_chunks = [&] {
    for (std::size_t chunk = next.fetch_add(1); chunk < chunks; chunk = next.fetch_add(1)) work(chunk);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(threads, chunks); ++i) others.emplace_back(take_chunks);
  take_chunks();
}

#endif

}  // namespace

std::size_t thread_count(std::size_t threads) noexcept {
  static const std::size_t all = std::max<std::size_t>(1, processors());
  return threads == 0 ? all : threads;
}

void parallel_for(std::size_t threads, std::size_t chunks, const std::function<void(std::size_t)>& work) {
  // One thread or one chunk runs on the caller without a scheduler.
  const std::size_t used = thread_count(threads);
  if (used > 1 && chunks > 1) return run(used, chunks, work);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) work(chunk);
}

}  // namespace cairn::gpu
