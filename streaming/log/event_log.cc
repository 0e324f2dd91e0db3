#include "streaming/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "cairn/kill_point.h"
#include "cairn/mutex.h"
#include "streaming/log/crc32c.h"
#include "streaming/log/segment.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kReadBytesMax = 8u << 20;  // of payload, per read(), past the first record

using Segments = std::vector<std::shared_ptr<Segment>>;

/// Records that are written with one write and one sync, and whose appenders wait together.
struct Group {
  explicit Group(Offset first) : start(first) {}

  [[nodiscard]] Offset end() const { return {start.value + static_cast<std::int64_t>(bytes.size())}; }

  const Offset start;
  std::string bytes;
  bool done = false;
  Status status;  ///< with done
};

/// Appenders add to the open group; one of those waiting writes it while the next group fills.
class FileEventLog final : public EventLog {
 public:
  FileEventLog(EventLogOptions options, posix::File lock, Segments segments, Offset end)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        active_(segments.back()),
        segments_(std::move(segments)),
        durable_end_(end),
        open_group_(std::make_shared<Group>(end)) {}

  Result<Offset> append(std::span<const std::string_view> payloads) override;
  Offset begin_offset() const override;
  Offset end_offset() const override;
  Status read(Offset from, std::size_t records_max, std::chrono::milliseconds wait, std::string* bytes,
              const Visit& visit) const override;
  Status trim(Offset offset) override;
  void close() override;

 private:
  struct Span {
    std::shared_ptr<const Segment> segment;  ///< null: nothing to read
    Offset end;
  };

  /// Releases the mutex while the disk is written, so that the next group fills meanwhile.
  void commit_open_group() CAIRN_REQUIRES(mutex_);
  Status write(const Group& group) CAIRN_EXCLUDES(mutex_);
  Status check_free(std::size_t bytes) const;
  Status roll(Offset start) CAIRN_EXCLUDES(mutex_);
  Status undo(const Group& group, Status failure);
  void fail(Group& group, const Status& status) CAIRN_REQUIRES(mutex_);
  Result<Span> durable_from(Offset from, std::chrono::milliseconds wait) const CAIRN_EXCLUDES(mutex_);
  static Status explain_unreadable(const Segment& segment, Offset from);

  // Fixed after construction.
  const EventLogOptions options_;
  const posix::File lock_;

  std::shared_ptr<Segment> active_;  ///< touched only by the thread that has set committing_
  Mutex trim_mutex_;                 ///< one trim at a time; guards no field; taken before mutex_

  mutable Mutex mutex_;
  mutable CondVar changed_;                     ///< a group is done, or the log closed
  Segments segments_ CAIRN_GUARDED_BY(mutex_);  ///< ascending, the last one is active_
  Offset durable_end_ CAIRN_GUARDED_BY(mutex_);
  std::shared_ptr<Group> open_group_ CAIRN_GUARDED_BY(mutex_);
  bool committing_ CAIRN_GUARDED_BY(mutex_) = false;
  Status refusal_ CAIRN_GUARDED_BY(mutex_);  ///< why appends are refused for good
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
};

Result<Offset> FileEventLog::append(std::span<const std::string_view> payloads) {
  if (payloads.empty()) return end_offset();
  std::vector<std::uint32_t> crcs;
  crcs.reserve(payloads.size());
  std::size_t bytes = 0;
  for (const std::string_view payload : payloads) {
    if (payload.size() > kRecordPayloadMax) return invalid_argument("an event is longer than 16 MiB; send less of it");
    crcs.push_back(crc32c(payload));  // before the lock: appenders sum their payloads side by side
    bytes += record_bytes(payload.size());
  }
  if (bytes > kGroupBytesMax) return invalid_argument("events of more than 32 MiB at once; send them in several calls");

  const MutexLock lock(mutex_);
  while (refusal_.ok() && open_group_->bytes.size() + bytes > kGroupBytesMax) changed_.wait(mutex_);
  if (!refusal_.ok()) return refusal_;
  const std::shared_ptr<Group> group = open_group_;
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    append_record(group->end(), group->start, payloads[i], crcs[i], &group->bytes);
  }
  const Offset end = group->end();
  // There is no thread that writes: whoever waits and finds nobody writing writes the group, for all that are in it.
  while (!group->done) {
    if (committing_) {
      changed_.wait(mutex_);
    } else {
      commit_open_group();
    }
  }
  if (!group->status.ok()) return group->status;
  return end;
}

void FileEventLog::commit_open_group() {
  const std::shared_ptr<Group> group = std::exchange(open_group_, std::make_shared<Group>(open_group_->end()));
  committing_ = true;
  mutex_.unlock();
  const Status status = write(*group);
  CAIRN_KILL_POINT("log.committed");
  mutex_.lock();
  committing_ = false;
  if (status.ok()) {
    group->done = true;
    durable_end_ = group->end();
  } else {
    if (status.code() != StatusCode::kResourceExhausted && refusal_.ok()) refusal_ = status;
    fail(*group, status);
    // Those that joined meanwhile have offsets that count on the lost group.
    fail(*open_group_, status);
    open_group_ = std::make_shared<Group>(durable_end_);
  }
  changed_.notify_all();
}

void FileEventLog::fail(Group& group, const Status& status) {
  group.done = true;
  group.status = status;
}

/// Without the lock; by the committing thread. RESOURCE_EXHAUSTED leaves the log as it was; any other failure leaves
/// the file's end unknown.
Status FileEventLog::write(const Group& group) {
  CAIRN_RETURN_IF_ERROR(check_free(group.bytes.size()));
  if (group.start.value - active_->start().value >= static_cast<std::int64_t>(options_.segment_bytes)) {
    CAIRN_RETURN_IF_ERROR(roll(group.start));
  }
  CAIRN_KILL_POINT("log.before_write");
  if (Status status = active_->write(group.start, group.bytes); !status.ok()) return undo(group, std::move(status));
  CAIRN_KILL_POINT("log.written");
  if (!options_.sync) return ok_status();
  // After a failed sync the kernel may have dropped the pages: a second sync proves nothing.
  if (const Status status = active_->sync(); !status.ok()) {
    return unavailable(status.message() + "; reopen the log once the disk is sound");
  }
  return ok_status();
}

Status FileEventLog::check_free(std::size_t bytes) const {
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t free, active_->free_bytes());
  if (free >= options_.free_bytes_min + bytes) return ok_status();
  return resource_exhausted("the disk of '" + options_.path + "' has " + std::to_string(free >> 20) +
                            " MiB free, less than the " + std::to_string(options_.free_bytes_min >> 20) +
                            " MiB kept; free space on it");
}

Status FileEventLog::roll(Offset start) {
  CAIRN_ASSIGN_OR_RETURN(active_, Segment::create(options_.path, start));
  CAIRN_KILL_POINT("log.segment_made");
  const MutexLock lock(mutex_);
  segments_.push_back(active_);
  return ok_status();
}

/// A write that failed for want of space is taken back, so that the log can go on when there is space again.
Status FileEventLog::undo(const Group& group, Status failure) {
  if (failure.code() == StatusCode::kResourceExhausted && active_->cut(group.start).ok() && active_->sync().ok()) {
    return failure;
  }
  return unavailable(failure.message() + "; reopen the log once the disk is sound");
}

Offset FileEventLog::begin_offset() const {
  const MutexLock lock(mutex_);
  return segments_.front()->start();
}

Offset FileEventLog::end_offset() const {
  const MutexLock lock(mutex_);
  return durable_end_;
}

Result<FileEventLog::Span> FileEventLog::durable_from(Offset from, std::chrono::milliseconds wait) const {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  const MutexLock lock(mutex_);
  if (from > durable_end_) {
    return Status(StatusCode::kOutOfRange, "offset " + std::to_string(from.value) + " lies after the end, " +
                                               std::to_string(durable_end_.value) + ", of '" + options_.path + "'");
  }
  while (durable_end_ <= from && !closed_) {
    if (changed_.wait_until(mutex_, deadline) == std::cv_status::timeout) break;
  }
  if (from < segments_.front()->start()) {
    return Status(StatusCode::kOutOfRange, "offsets " + std::to_string(from.value) + " to " +
                                               std::to_string(segments_.front()->start().value) +
                                               " were trimmed from '" + options_.path + "'");
  }
  if (from == durable_end_) return Span{};
  // A read stays within one segment, the last that starts at or before `from`.
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), from,
                                      [](Offset offset, const auto& segment) { return offset < segment->start(); });
  return Span{.segment = *std::prev(after), .end = after == segments_.end() ? durable_end_ : (*after)->start()};
}

Status FileEventLog::read(Offset from, std::size_t records_max, std::chrono::milliseconds wait, std::string* bytes,
                          const Visit& visit) const {
  struct Found {
    Offset offset;
    Offset next;
    std::size_t begin;
    std::size_t size;
  };
  bytes->clear();
  CAIRN_ASSIGN_OR_RETURN(const Span span, durable_from(from, wait));
  if (!span.segment) return ok_status();
  std::vector<Found> found;
  RecordWalk walk(*span.segment, from, span.end);
  while (!walk.at_end() && found.size() < records_max && bytes->size() < kReadBytesMax) {
    const Offset offset = walk.offset();
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found != ParsedRecord::Found::kWhole) {
      if (!found.empty()) break;  // the next read begins here and reports it
      return explain_unreadable(*span.segment, from);
    }
    found.push_back({offset, walk.offset(), bytes->size(), record.payload.size()});
    bytes->append(record.payload).append(kPayloadPadding, '\0');
  }
  for (const Found& f : found) visit(f.offset, f.next, std::string_view(*bytes).substr(f.begin, f.size));
  return ok_status();
}

/// No record could be read at `from`: because none begins there, or because one does and is damaged?
Status FileEventLog::explain_unreadable(const Segment& segment, Offset from) {
  RecordWalk walk(segment, segment.start(), from);
  while (!walk.at_end()) {
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found == ParsedRecord::Found::kDamaged) break;
    if (record.found == ParsedRecord::Found::kCutOff) {
      return {StatusCode::kOutOfRange, "no record of the log begins at offset " + std::to_string(from.value)};
    }
  }
  return data_loss("record at offset " + std::to_string(walk.offset().value) + " in '" + segment.path() +
                   "' is damaged; restore the file from a backup, or go on after it");
}

Status FileEventLog::trim(Offset offset) {
  const MutexLock trimming(trim_mutex_);
  bool removed = false;
  while (true) {
    std::string path;
    {
      const MutexLock lock(mutex_);
      if (segments_.size() < 2 || segments_[1]->start() > offset) break;
      path = segments_.front()->path();
    }
    // Oldest first, each before it leaves the list: whatever stops this, what stays on disk has no hole. A read under
    // way has the file open.
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return posix::io_error("cannot remove", path, errno);
    CAIRN_KILL_POINT("log.segment_removed");
    removed = true;
    const MutexLock lock(mutex_);
    segments_.erase(segments_.begin());
  }
  return removed ? posix::sync_directory(options_.path) : ok_status();
}

void FileEventLog::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  if (refusal_.ok()) refusal_ = unavailable("the event log '" + options_.path + "' is closed");
  changed_.notify_all();
}

// ---- opening ------------------------------------------------------------------------------------------------------

Result<posix::File> lock_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return posix::io_error("cannot create", directory, error.value());
  CAIRN_RETURN_IF_ERROR(posix::sync_directory(posix::directory_of(directory)));
  CAIRN_ASSIGN_OR_RETURN(posix::File lock, posix::File::open(directory + "/lock", O_RDWR | O_CREAT));
  CAIRN_RETURN_IF_ERROR(lock.lock());
  return lock;
}

/// Opens the newest segment for appending: a file that its creation did not finish is made anew.
Result<std::shared_ptr<Segment>> open_newest(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(const bool unfinished, Segment::is_unfinished(directory, start));
  return unfinished ? Segment::create(directory, start) : Segment::open(directory, start);
}

Result<Segments> open_segments(const std::string& directory) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Offset> starts, Segment::list(directory));
  Segments segments;
  if (starts.empty()) {
    CAIRN_ASSIGN_OR_RETURN(auto first, Segment::create(directory, Offset{0}));
    segments.push_back(std::move(first));
  }
  for (const Offset start : starts) {
    if (!segments.empty()) {
      CAIRN_ASSIGN_OR_RETURN(const Offset end, segments.back()->end_of_file());
      if (end != start) {
        return data_loss("'" + segments.back()->path() + "' ends at offset " + std::to_string(end.value) +
                         " and the next segment begins at " + std::to_string(start.value) +
                         "; restore the file from a backup");
      }
    }
    CAIRN_ASSIGN_OR_RETURN(auto segment,
                           start == starts.back() ? open_newest(directory, start) : Segment::open(directory, start));
    segments.push_back(std::move(segment));
  }
  return segments;
}

/// Cuts off what the last group left when a crash tore it. Returns: the end.
Result<Offset> cut_torn_tail(Segment& segment, const Logger& log) {
  CAIRN_ASSIGN_OR_RETURN(const Tail tail, find_tail(segment));
  if (tail.damaged) {
    return data_loss("record at offset " + std::to_string(tail.damaged->value) + " in '" + segment.path() +
                     "' is damaged, and acknowledged records follow; restore the file from a backup");
  }
  CAIRN_ASSIGN_OR_RETURN(const Offset file_end, segment.end_of_file());
  if (tail.end == file_end) return tail.end;
  log.warning("event_log.tail_cut", "a crash tore the last append, which was not acknowledged; it is cut off",
              {{"file", segment.path()},
               {"offset", std::to_string(tail.end.value)},
               {"bytes", std::to_string(file_end.value - tail.end.value)}});
  CAIRN_RETURN_IF_ERROR(segment.cut(tail.end));
  CAIRN_RETURN_IF_ERROR(segment.sync());
  return tail.end;
}

}  // namespace

Result<std::unique_ptr<EventLog>> open_event_log(EventLogOptions options) {
  CAIRN_ASSIGN_OR_RETURN(posix::File lock, lock_directory(options.path));
  CAIRN_ASSIGN_OR_RETURN(Segments segments, open_segments(options.path));
  CAIRN_ASSIGN_OR_RETURN(const Offset end, cut_torn_tail(*segments.back(), options.log));
  return std::unique_ptr<EventLog>(
      std::make_unique<FileEventLog>(std::move(options), std::move(lock), std::move(segments), end));
}

}  // namespace cairn::streaming
