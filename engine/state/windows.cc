#include "engine/state/windows.h"

#include <utility>

#include "cairn/check.h"
#include "cairn/kill_point.h"

namespace cairn::state {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kRetryWait{200};

}  // namespace

Windows::Windows(const storage::StateStore& store, WindowWriter& writer, Progress& progress, Options options)
    : store_(store),
      writer_(writer),
      progress_(progress),
      options_(std::move(options)),
      version_(std::make_shared<const ReadVersion>(
          ReadVersion{std::make_shared<PendingWindow>(), nullptr, store.snapshot(), 0})),
      stored_{{0, progress.positions()}},  // opening a store puts what it recovers into files
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Windows::~Windows() {
  if (const Status closed = close(); !closed.ok()) options_.log.error("state.window", closed.message());
}

// ---- adding and reading -------------------------------------------------------------------------------------------

Status Windows::admit() {
  MutexLock lock(mutex_);
  const auto room = [&]() CAIRN_REQUIRES(mutex_) {
    return closed_ || !failure_.ok() || growing_bytes_ < options_.bytes_max;
  };
  changed_.wait(lock, room);
  if (closed_) return unavailable("the state is closed");
  return failure_;
}

void Windows::grown() {
  has_changes_ = true;
  const std::size_t bytes = current()->growing->rows.memory_bytes();
  const MutexLock lock(mutex_);
  growing_bytes_ = bytes;
  const bool first = !growing_since_.has_value();
  if (first) growing_since_ = steady_clock::now();
  // The writer waits for the age of the first change, or for a window that is large.
  if (first || bytes >= options_.bytes_max) changed_.notify_all();
}

std::shared_ptr<const ReadVersion> Windows::current() const {
  const MutexLock lock(version_mutex_);
  return version_;
}

void Windows::publish(ReadVersion version) {
  auto next = std::make_shared<const ReadVersion>(std::move(version));
  const MutexLock lock(version_mutex_);
  version_.swap(next);
}

Status Windows::flush(const CallContext& context) {
  MutexLock lock(mutex_);
  const std::uint64_t mine = ++flushes_asked_;
  changed_.notify_all();
  const auto over = [&]() CAIRN_REQUIRES(mutex_) { return closed_ || !failure_.ok() || flushes_done_ >= mine; };
  const bool in_time = context.wait(changed_, lock, over);
  if (flushes_done_ >= mine) return ok_status();
  if (!failure_.ok()) return failure_;
  if (closed_) return unavailable("the state is closed");
  CAIRN_CHECK(!in_time);
  return context.check().with_context("what is pending is not stored yet");
}

// ---- the thread ---------------------------------------------------------------------------------------------------

void Windows::run(const std::stop_token& stop) {
  while (wait_until_due(stop)) {
    write_window(stop);
    bring_hot_rows(stop);
  }
}

/// Only in time that nobody needs: not while another window is to be written.
void Windows::bring_hot_rows(const std::stop_token& stop) {
  const auto version = current();
  if (!version->stored || version->full) return;
  writer_.bring_hot_rows(*version, [&] {
    if (stop.stop_requested()) return false;
    const MutexLock lock(mutex_);
    return !is_due();
  });
}

bool Windows::wait_until_due(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested() && !is_due()) {
    if (growing_since_) {
      const auto due = [this]() CAIRN_REQUIRES(mutex_) { return is_due(); };
      changed_.wait_until(lock, stop, *growing_since_ + options_.age_max, due);
    } else {
      const auto something = [this]() CAIRN_REQUIRES(mutex_) { return growing_since_.has_value() || is_due(); };
      changed_.wait(lock, stop, something);
    }
  }
  return !stop.stop_requested();
}

bool Windows::is_due() const {
  if (flushes_asked_ > flushes_done_) return true;
  return growing_since_ &&
         (growing_bytes_ >= options_.bytes_max || steady_clock::now() >= *growing_since_ + options_.age_max);
}

void Windows::write_window(const std::stop_token& stop) {
  std::uint64_t asked = 0;
  {
    const MutexLock lock(mutex_);
    asked = flushes_asked_;
  }
  const auto version = change_windows();
  if (version) {
    if (!write_until_stored(stop, *version).ok()) return;
    CAIRN_KILL_POINT("window.written");
    commit(*version);
  }
  {
    const MutexLock lock(mutex_);
    flushes_done_ = asked;
  }
  changed_.notify_all();
}

std::shared_ptr<const ReadVersion> Windows::change_windows() {
  const MutexLock nobody_adds(growing_mutex_);
  if (!has_changes_) return nullptr;
  has_changes_ = false;
  const auto before = current();
  before->growing->positions = progress_.positions();
  before->growing->counters = progress_.counters();
  publish({std::make_shared<PendingWindow>(), before->growing, before->stored, before->epoch});
  CAIRN_KILL_POINT("window.closed");
  {
    const MutexLock lock(mutex_);
    growing_since_.reset();
    growing_bytes_ = 0;
  }
  changed_.notify_all();
  return current();
}

/// Trouble of the store passes, or the engine is closed: until then nothing more is taken, and what is pending stays.
Status Windows::write_until_stored(const std::stop_token& stop, const ReadVersion& version) {
  while (true) {
    Status written = writer_.write(version);
    set_failure(written);
    if (written.ok()) return written;
    MutexLock lock(mutex_);
    changed_.wait_for(lock, stop, kRetryWait, [] { return false; });
    if (stop.stop_requested()) return written;
  }
}

void Windows::set_failure(const Status& failure) {
  {
    const MutexLock lock(mutex_);
    if (failure_.ok() && failure.ok()) return;
    failure_ = failure;
  }
  changed_.notify_all();
}

void Windows::commit(const ReadVersion& written) {
  const std::uint64_t epoch = written.epoch + 1;
  // In this order: a reader of the new epoch must find the rows of the cache at it.
  auto stored = store_.snapshot();
  writer_.advance(epoch);
  publish({written.growing, nullptr, std::move(stored), epoch});
  progress_.keep(written.full->positions);
  CAIRN_KILL_POINT("window.committed");
  const MutexLock lock(mutex_);
  stored_.emplace_back(store_.last_write(), written.full->positions);
  ++windows_written_;
  rows_written_ += written.full->rows.rows();
}

Status Windows::close() {
  {
    const MutexLock lock(mutex_);
    if (closed_) return ok_status();
    closed_ = true;
  }
  changed_.notify_all();
  thread_.request_stop();
  thread_.join();
  Status finished = finish();
  // The store may be closed once nobody reads at its snapshot any more.
  publish({std::make_shared<PendingWindow>(), nullptr, nullptr, current()->epoch});
  return finished;
}

Status Windows::finish() {
  CAIRN_KILL_POINT("window.finishing");
  // A window that could not be written goes first: the positions of the next one lie behind it.
  if (const auto version = current(); version->full) {
    CAIRN_RETURN_IF_ERROR(writer_.write(*version));
    commit(*version);
  }
  if (const auto version = change_windows()) {
    CAIRN_RETURN_IF_ERROR(writer_.write(*version));
    commit(*version);
  }
  return ok_status();
}

Offset Windows::in_files(std::string_view source, Partition partition) {
  const std::uint64_t in_files = store_.last_write_in_files();
  const MutexLock lock(mutex_);
  while (stored_.size() > 1 && stored_[1].first <= in_files) stored_.pop_front();
  const Positions& positions = stored_.front().second;
  const auto found = positions.find(std::pair(std::string(source), partition));
  return found == positions.end() ? Offset{0} : found->second.offset;
}

WindowsStats Windows::stats() const {
  const auto version = current();
  WindowsStats stats;
  for (const PendingWindow* window : {version->full.get(), static_cast<const PendingWindow*>(version->growing.get())}) {
    if (window == nullptr) continue;
    stats.pending_bytes += window->rows.memory_bytes();
    stats.pending_rows += window->rows.rows();
  }
  const MutexLock lock(mutex_);
  stats.written = windows_written_;
  stats.rows_written = rows_written_;
  return stats;
}

}  // namespace cairn::state
