#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "cairn/mutex.h"
#include "gpu/item_matrix.h"

namespace cairn::gpu {

/// The matrix that queries are answered from now, and its replacement by a newer one while they are: each query keeps
/// the matrix that it began with, and the last query to let go of an old one frees it. Until then both count against
/// the backend's memory cap, so that publishing never waits and never fails: make_matrix does, before.
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

  /// Returns the number of the version that is current from now on.
  std::uint64_t publish(std::unique_ptr<const ItemMatrix> matrix) {
    Version next{.matrix = std::move(matrix)};  // holds the old one in the end, which is freed without the lock
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
