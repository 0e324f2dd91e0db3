#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "cairn/call_context.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/state/pending_window.h"
#include "engine/state/progress.h"
#include "engine/state/window_writer.h"
#include "storage/state_store.h"

namespace cairn::state {

struct WindowsStats {
  std::uint64_t written = 0;       ///< windows
  std::uint64_t rows_written = 0;  ///< rows' changes in them
  std::size_t pending_bytes = 0;
  std::size_t pending_rows = 0;
};

/// The window that grows, the one before it that is being written, and the thread that writes: when the window has
/// become old or large, when somebody asks, and at the end.
///
/// Threads: any; what is said of growing_mutex() apart.
class Windows {
 public:
  struct Options {
    std::chrono::milliseconds age_max{1000};  ///< how long a change waits for its write, at most
    std::size_t bytes_max = 64u << 20;        ///< memory of a window that calls for a write
    Logger log;
  };
  /// All must outlive this. Requires: `progress` was restored from the store.
  Windows(const storage::StateStore& store, WindowWriter& writer, Progress& progress, Options options);
  ~Windows();

  /// Held by whoever adds to the growing window, and by the writer while it puts a new one in its place.
  [[nodiscard]] Mutex& growing_mutex() CAIRN_RETURN_CAPABILITY(growing_mutex_) { return growing_mutex_; }

  /// Waits until the growing window may take more.
  /// Returns: why the last window could not be written, while that is so; UNAVAILABLE after close().
  Status admit() CAIRN_EXCLUDES(growing_mutex_, mutex_);
  /// Something was added to the growing window.
  void grown() CAIRN_REQUIRES(growing_mutex_);

  [[nodiscard]] std::shared_ptr<const ReadVersion> current() const;

  /// Waits until everything that was added before the call is stored.
  /// Returns: why that is not possible at present; UNAVAILABLE after close(); DEADLINE_EXCEEDED, CANCELLED.
  Status flush(const CallContext& context);

  /// Writes what is pending, ends the thread and lets go of the store. Idempotent.
  /// Returns: why the last window could not be written: the sources will be asked for it again.
  Status close();

  /// See FeatureState::in_files().
  [[nodiscard]] Offset in_files(std::string_view source, Partition partition);

  [[nodiscard]] WindowsStats stats() const;

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] bool wait_until_due(const std::stop_token& stop);
  [[nodiscard]] bool is_due() const CAIRN_REQUIRES(mutex_);
  /// Returns: null when the growing window is empty.
  std::shared_ptr<const ReadVersion> change_windows() CAIRN_EXCLUDES(growing_mutex_);
  void write_window(const std::stop_token& stop);
  void bring_hot_rows(const std::stop_token& stop) CAIRN_EXCLUDES(mutex_, version_mutex_);
  [[nodiscard]] Status write_until_stored(const std::stop_token& stop, const ReadVersion& version);
  void commit(const ReadVersion& written);
  Status finish();
  void publish(ReadVersion version) CAIRN_EXCLUDES(version_mutex_);
  void set_failure(const Status& failure) CAIRN_EXCLUDES(mutex_);

  // Fixed after construction.
  const storage::StateStore& store_;
  WindowWriter& writer_;
  Progress& progress_;
  const Options options_;

  Mutex growing_mutex_;
  bool has_changes_ CAIRN_GUARDED_BY(growing_mutex_) = false;

  mutable Mutex version_mutex_;  ///< held to copy or to change a pointer
  std::shared_ptr<const ReadVersion> version_ CAIRN_GUARDED_BY(version_mutex_);

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::chrono::steady_clock::time_point> growing_since_ CAIRN_GUARDED_BY(mutex_);
  std::size_t growing_bytes_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::uint64_t flushes_asked_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::uint64_t flushes_done_ CAIRN_GUARDED_BY(mutex_) = 0;
  Status failure_ CAIRN_GUARDED_BY(mutex_);
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
  /// What was stored by which write of the store. The first is in its files; others may be by now.
  std::deque<std::pair<std::uint64_t, Positions>> stored_ CAIRN_GUARDED_BY(mutex_);
  std::uint64_t windows_written_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::uint64_t rows_written_ CAIRN_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;
};

}  // namespace cairn::state
