#pragma once

#include <cstddef>
#include <functional>

namespace cairn::state {

/// Runs `work` for 0 to `count` - 1, each once and in any order, on this thread and those that have nothing else to do,
/// and returns when all are done. What the caller wrote before is seen by all, and what they write by the caller.
void for_each_index(std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace cairn::state
