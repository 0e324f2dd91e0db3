#pragma once

#include <cstddef>
#include <functional>

namespace cairn::state {

/// Runs `work` for 0 to `count` - 1, each once and in any order, on this thread and those that have nothing else to do,
/// and returns when all are done. What the caller wrote before is seen by all, and what they write by the caller.
void for_each_index(std::size_t count, const std::function<void(std::size_t)>& work);

/// Events that one thread works on in one go: so many that their memory stays in the core's cache.
inline constexpr std::size_t kChunkEvents = 2048;

[[nodiscard]] constexpr std::size_t chunks_of(std::size_t events) noexcept {
  return (events + kChunkEvents - 1) / kChunkEvents;
}

/// for_each_index() over the chunks of so many events: `work` is told which chunk it has, and where it begins and ends.
void for_each_chunk(std::size_t events,
                    const std::function<void(std::size_t chunk, std::size_t begin, std::size_t end)>& work);

}  // namespace cairn::state
