#include "engine/model/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace cairn::model {

std::size_t thread_count(std::size_t threads) noexcept {
  return threads != 0 ? threads : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

void parallel_for(std::size_t threads, std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto take_turns = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> others;
  const std::size_t wanted = std::min(thread_count(threads), count);
  for (std::size_t i = 1; i < wanted; ++i) others.emplace_back(take_turns);
  take_turns();
}

Status parallel_try(std::size_t threads, std::size_t count, const std::function<Status(std::size_t)>& work) {
  std::vector<Status> statuses(count);
  parallel_for(threads, count, [&](std::size_t i) { statuses[i] = work(i); });
  for (Status& status : statuses) {
    if (!status.ok()) return std::move(status);
  }
  return ok_status();
}

}  // namespace cairn::model
