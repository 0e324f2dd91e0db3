#pragma once

#include <cstddef>
#include <functional>

namespace cairn::gpu {

/// How many threads `threads` stands for: 0 is every processor this process may run on.
[[nodiscard]] std::size_t thread_count(std::size_t threads) noexcept;

/// Calls work(0) … work(chunks - 1), each once, on at most `threads` threads (0: all processors), the caller's among
/// them, and returns when all are done. Which thread takes which chunk, and when, is open. `work` must not throw.
/// Threads are oneTBB's where this build has it; else they are started for the call.
void parallel_for(std::size_t threads, std::size_t chunks, const std::function<void(std::size_t)>& work);

}  // namespace cairn::gpu
