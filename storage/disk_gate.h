#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "cairn/mutex.h"
#include "cairn/status.h"

namespace cairn::storage {

/// Asks for the bytes an unprivileged process can still write to the disk that holds `path`.
using FreeSpaceProbe = std::function<Result<std::uint64_t>(const std::string& path)>;

/// statvfs(3). Returns: UNAVAILABLE when the path cannot be asked.
[[nodiscard]] Result<std::uint64_t> free_space(const std::string& path);

/// Refuses writes before the disk is full. Running out inside a write-ahead log append is the one failure RocksDB 7.8
/// as packaged by Debian does not survive (an assertion stops the process), so a reserve is kept for flushes and
/// compactions of what was accepted already.
///
/// Closes when a write would leave less than `free_bytes_min`; opens when an eighth more than that is free. The disk is
/// asked at most once per `probe_interval` and again after every kBytesPerProbe admitted.
///
/// Threads: all methods from any thread.
class DiskGate {
 public:
  static constexpr std::uint64_t kBytesPerProbe = 16u << 20;

  struct Options {
    std::string path;
    std::uint64_t free_bytes_min = 0;
    FreeSpaceProbe probe = free_space;
    std::chrono::milliseconds probe_interval{200};
  };
  struct Reading {
    std::uint64_t free_bytes = 0;
    Status status;  ///< what a write would be answered now
  };

  explicit DiskGate(Options options);

  /// Returns: RESOURCE_EXHAUSTED when a write of so many bytes must not be tried now, UNAVAILABLE when the disk cannot
  /// be asked. Messages name the path, the figures and the remedy.
  [[nodiscard]] Status admit(std::size_t bytes);

  /// Asks the disk now.
  [[nodiscard]] Reading read();

  /// Keeps the gate shut whatever the disk says, until release(): a background flush has run out of space.
  void hold(std::string reason);
  void release();
  [[nodiscard]] bool held() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void probe(Instant now) CAIRN_REQUIRES(mutex_);
  [[nodiscard]] Status judge(std::uint64_t bytes) CAIRN_REQUIRES(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  Instant probed_ CAIRN_GUARDED_BY(mutex_){};
  bool asked_ CAIRN_GUARDED_BY(mutex_) = false;
  Status probe_status_ CAIRN_GUARDED_BY(mutex_);
  std::uint64_t free_bytes_ CAIRN_GUARDED_BY(mutex_) = 0;  ///< at the last probe, less what was admitted since
  std::uint64_t admitted_ CAIRN_GUARDED_BY(mutex_) = 0;    ///< since the last probe
  bool open_ CAIRN_GUARDED_BY(mutex_) = true;
  std::string hold_ CAIRN_GUARDED_BY(mutex_);  ///< why held; empty when not
};

}  // namespace cairn::storage
