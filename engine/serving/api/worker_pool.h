#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace cairn::serving {

/// A fixed number of threads and a bounded queue before them. Threads: every method from any thread, `stop` not from a
/// task.
class WorkerPool {
 public:
  WorkerPool(int threads, std::size_t queue_max);
  ~WorkerPool();

  /// Takes a task, or returns false at once when the queue is full or the pool has stopped. A task does not throw.
  [[nodiscard]] bool submit(std::function<void()> task);

  /// Drops what is queued, waits for what runs. Idempotent.
  void stop();

 private:
  void run();

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopped_ = false;                     // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace cairn::serving
