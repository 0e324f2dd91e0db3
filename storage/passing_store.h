#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::storage {

struct PassingStoreOptions {
  std::string path;  ///< directory of its own; whatever is in it is removed
  std::uint64_t bytes_max = 256u << 20;
  Compression compression = Compression::kLz4;
  std::chrono::seconds lifetime{3600};  ///< older files go as a whole
  std::size_t memtable_bytes = 8u << 20;
  std::uint64_t free_bytes_min = 256u << 20;  ///< nothing is written while the disk has less free than this
};

struct PassingStoreStats {
  std::uint64_t bytes = 0;  ///< of its files, and of what waits in memory to be written to one; about
};

/// Values on disk that nobody would miss: there is no log, a new store is empty, and what is oldest goes when there are
/// too many. For what can be computed again, at more than the cost of a read.
///
/// Threads: any.
class PassingStore {
 public:
  /// Returns: INVALID_ARGUMENT for an empty path; UNAVAILABLE.
  [[nodiscard]] static Result<std::unique_ptr<PassingStore>> open(const PassingStoreOptions& options);
  /// Removes what a store has left in a directory, and that. Returns: UNAVAILABLE.
  static Status remove(const std::string& path);
  virtual ~PassingStore() = default;

  /// Returns: nullopt when it is not here (any more); DATA_LOSS, UNAVAILABLE.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) = 0;
  /// Returns: RESOURCE_EXHAUSTED while the disk is nearly full; UNAVAILABLE.
  virtual Status put(std::string_view key, std::string_view value) = 0;
  /// Removes everything, so that no byte of it is in a file any more. Others wait meanwhile. Returns: UNAVAILABLE.
  virtual Status clear() = 0;
  /// Writes to files what is in memory: for tests and measurements.
  virtual Status flush() = 0;
  [[nodiscard]] virtual PassingStoreStats stats() const = 0;
};

}  // namespace cairn::storage
