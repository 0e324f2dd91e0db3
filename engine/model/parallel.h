#pragma once

#include <cstddef>
#include <functional>

#include "cairn/status.h"

namespace cairn::model {

/// How many threads `threads` stands for: 0 is every processor.
[[nodiscard]] std::size_t thread_count(std::size_t threads) noexcept;

/// Calls work(0) … work(count - 1), each once, on at most `threads` threads (0: every processor), the caller's among
/// them, and returns when all are done. Which thread takes which, and when, is open. `work` must not throw.
void parallel_for(std::size_t threads, std::size_t count, const std::function<void(std::size_t)>& work);

/// The same for work that can fail: all of it is done, and of its failures that of the lowest index is returned.
[[nodiscard]] Status parallel_try(std::size_t threads, std::size_t count,
                                  const std::function<Status(std::size_t)>& work);

}  // namespace cairn::model
