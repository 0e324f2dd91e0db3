#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "cairn/mutex.h"
#include "gpu/item_matrix.h"

namespace cairn::gpu {

/// Holds the matrix that queries are answered from, and lets a newer one take its place while queries run. A query
/// keeps the matrix that it began with; an old matrix is freed when the last query lets go of it. Until then both count
/// against the backend's memory cap. Publishing never waits and never fails, because make_matrix has reserved the
/// memory before.
///
///     auto next = backend->make_matrix(items, options);          // RESOURCE_EXHAUSTED: nothing has changed
///     if (next.ok()) live.publish(std::move(next).value());
///     ...
///     if (const LiveMatrix::Version now = live.current(); now.matrix) now.matrix->top_k(batch, &answers);
///
/// Threads: any.
class LiveMatrix {
 public:
  struct Version {
    std::shared_ptr<const ItemMatrix> matrix;  ///< null before the first is published
    std::uint64_t number = 0;                  ///< 1 for the first, and one more for each
  };

  [[nodiscard]] Version current() const {
    const MutexLock lock(mutex_);
    return version_;
  }

  /// Makes `matrix` the current one and returns the number of its version.
  std::uint64_t publish(std::unique_ptr<const ItemMatrix> matrix) {
    // After the swap this holds the old version, which is freed when it goes out of scope, after the lock.
    Version next{.matrix = std::move(matrix)};
    const MutexLock lock(mutex_);
    next.number = version_.number + 1;
    std::swap(version_, next);
    return version_.number;
  }

 private:
  mutable Mutex mutex_;
  Version version_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::gpu
