#include "streaming/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "cairn/byte_text.h"
#include "cairn/kill_point.h"
#include "cairn/mutex.h"
#include "streaming/log/acknowledged.h"
#include "streaming/log/crc32c.h"
#include "streaming/log/identity.h"
#include "streaming/log/rewriting.h"
#include "streaming/log/segment.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kReadBytesMax = 8u << 20;  // of payload, per read(), past the first record

constexpr std::string_view kRemedy =
    "; restore the file from a backup or restore a checkpoint, or start once with --accept-log-loss to go on without "
    "these events";

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
  FileEventLog(EventLogOptions options, posix::File lock, LogIdentity identity, AcknowledgedMark acknowledged,
               Segments segments, Offset end)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        identity_(std::move(identity)),
        acknowledged_(std::move(acknowledged)),
        active_(segments.back()),
        segments_(std::move(segments)),
        durable_end_(end),
        open_group_(std::make_shared<Group>(end)) {}

  Result<Offset> append(std::span<const std::string_view> payloads) override;
  Offset begin_offset() const override;
  Offset end_offset() const override;
  Status read(Offset from, std::size_t records_max, std::chrono::milliseconds wait, std::string* bytes,
              const Visit& visit) const override;
  Result<std::uint64_t> rewrite(const Change& change) override;
  Status trim(Offset offset) override;
  const LogIdentity& identity() const noexcept override { return identity_; }
  Status verify(Offset from) const override;
  Status trouble() const override;
  Status copy(const std::string& directory) const override;
  Offset begin_after_trim(Offset offset) const override;
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
  /// What is durable now lies in segments that no append touches any more.
  Status begin_segment() CAIRN_EXCLUDES(mutex_);
  Status undo(const Group& group, Status failure);
  void fail(Group& group, const Status& status) CAIRN_REQUIRES(mutex_);
  Result<Span> durable_from(Offset from, std::chrono::milliseconds wait) const CAIRN_EXCLUDES(mutex_);
  /// How many of the segments, from the first on, trim(offset) removes.
  [[nodiscard]] std::size_t trimmable(Offset offset) const CAIRN_REQUIRES(mutex_);
  static Result<Offset> end_of_given_up(const Segment& segment, Offset from, Offset end);
  Status explain_unreadable(const Segment& segment, Offset from) const CAIRN_EXCLUDES(mutex_);

  // Fixed after construction.
  const EventLogOptions options_;
  const posix::File lock_;
  const LogIdentity identity_;

  AcknowledgedMark acknowledged_;  ///< this and active_ are touched only by the thread that has set committing_
  std::shared_ptr<Segment> active_;
  Mutex trim_mutex_;  ///< one trim at a time; guards no field; taken before mutex_

  mutable Mutex mutex_;
  mutable CondVar changed_;                     ///< a group is done, or the log closed
  Segments segments_ CAIRN_GUARDED_BY(mutex_);  ///< ascending, the last one is active_
  Offset durable_end_ CAIRN_GUARDED_BY(mutex_);
  std::shared_ptr<Group> open_group_ CAIRN_GUARDED_BY(mutex_);
  bool committing_ CAIRN_GUARDED_BY(mutex_) = false;
  Status refusal_ CAIRN_GUARDED_BY(mutex_);         ///< why appends are refused for good
  mutable Status damage_ CAIRN_GUARDED_BY(mutex_);  ///< the first that a read has met
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
  // Written into a file that was removed or emptied, nothing would be found again.
  if (Status whole = active_->check_end(group.start); !whole.ok()) {
    return unavailable(whole.message() + std::string(kRemedy));
  }
  if (group.start.value - active_->start().value >= static_cast<std::int64_t>(options_.segment_bytes)) {
    CAIRN_RETURN_IF_ERROR(roll(group.start));
  }
  CAIRN_KILL_POINT("log.before_write");
  if (Status status = active_->write(group.start, group.bytes); !status.ok()) return undo(group, std::move(status));
  CAIRN_KILL_POINT("log.written");
  if (!options_.sync) return ok_status();
  // After a failed sync the kernel may have dropped the pages: a second sync proves nothing.
  if (const Status status = active_->sync(); !status.ok()) {
    return unavailable(status.message() + "; check the disk and start again");
  }
  if (const Status marked = acknowledged_.set(group.end()); !marked.ok()) {
    return unavailable(marked.message() + "; check the disk and start again");
  }
  return ok_status();
}

Status FileEventLog::check_free(std::size_t bytes) const {
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t free, active_->free_bytes());
  if (free >= options_.free_bytes_min + bytes) return ok_status();
  return resource_exhausted("the disk of '" + options_.path + "' has " + byte_text(free) + " free, too little for " +
                            byte_text(bytes) + " of events beside the " + byte_text(options_.free_bytes_min) +
                            " that are kept free; free space on it");
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
  return unavailable(failure.message() + "; check the disk and start again");
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
      CAIRN_ASSIGN_OR_RETURN(const Offset next, end_of_given_up(*span.segment, from, span.end));
      if (next == from) return explain_unreadable(*span.segment, from);
      found.push_back({from, next, 0, 1});
      bytes->append(1, kGivenUp).append(kPayloadPadding, '\0');
      break;
    }
    found.push_back({offset, walk.offset(), bytes->size(), record.payload.size()});
    bytes->append(record.payload).append(kPayloadPadding, '\0');
  }
  for (const Found& f : found) visit(f.offset, f.next, std::string_view(*bytes).substr(f.begin, f.size));
  return ok_status();
}

/// Records that were lost are given up many at a time, and a reader may have stood between two of them.
/// Returns: where the record ends that stands there now; `from` when there is none that covers it.
Result<Offset> FileEventLog::end_of_given_up(const Segment& segment, Offset from, Offset end) {
  RecordWalk walk(segment, segment.start(), end);
  while (!walk.at_end() && walk.offset() < from) {
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found != ParsedRecord::Found::kWhole) return from;
    if (walk.offset() > from && record.payload.starts_with(kGivenUp)) return walk.offset();
  }
  return from;
}

/// No record could be read at `from`: because none begins there, or because one does and is damaged?
Status FileEventLog::explain_unreadable(const Segment& segment, Offset from) const {
  RecordWalk walk(segment, segment.start(), from);
  while (!walk.at_end()) {
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found == ParsedRecord::Found::kDamaged) break;
    if (record.found == ParsedRecord::Found::kCutOff) {
      return {StatusCode::kOutOfRange, "no record of the log begins at offset " + std::to_string(from.value)};
    }
  }
  const Status damage = data_loss("record at offset " + std::to_string(walk.offset().value) + " in '" + segment.path() +
                                  "' is damaged" + std::string(kRemedy));
  const MutexLock lock(mutex_);
  if (damage_.ok()) damage_ = damage;
  return damage;
}

Status FileEventLog::verify(Offset from) const {
  std::string bytes;
  while (from < end_offset()) {
    const auto go_on = [&](Offset, Offset next, std::string_view) { from = next; };
    CAIRN_RETURN_IF_ERROR(read(from, SIZE_MAX, std::chrono::milliseconds{0}, &bytes, go_on));
  }
  return ok_status();
}

Status FileEventLog::trouble() const {
  const MutexLock lock(mutex_);
  if (!closed_ && !refusal_.ok()) return refusal_;
  return damage_;
}

Status FileEventLog::trim(Offset offset) {
  const MutexLock trimming(trim_mutex_);
  bool removed = false;
  while (true) {
    std::string path;
    {
      const MutexLock lock(mutex_);
      if (trimmable(offset) == 0) break;
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

Result<std::uint64_t> FileEventLog::rewrite(const Change& change) {
  const MutexLock nothing_is_removed(trim_mutex_);
  CAIRN_RETURN_IF_ERROR(begin_segment());
  Segments segments;
  {
    const MutexLock lock(mutex_);
    segments = segments_;
  }
  std::uint64_t changed = 0;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(RewrittenSegment rewritten,
                           rewrite_segment(*segments[i], options_.path, segments[i + 1]->start(), change));
    if (rewritten.segment == nullptr) continue;
    changed += rewritten.changed;
    const MutexLock lock(mutex_);
    std::replace(segments_.begin(), segments_.end(), segments[i], std::move(rewritten.segment));
  }
  return changed;
}

Status FileEventLog::begin_segment() {
  const MutexLock lock(mutex_);
  while (committing_) changed_.wait(mutex_);
  if (!refusal_.ok()) return refusal_;
  const Offset end = durable_end_;
  committing_ = true;  // nobody else touches active_
  mutex_.unlock();
  Status begun = active_->start() == end ? ok_status() : check_free(0);
  if (begun.ok() && active_->start() != end) begun = roll(end);
  mutex_.lock();
  committing_ = false;
  changed_.notify_all();
  return begun;
}

Status FileEventLog::copy(const std::string& directory) const {
  const Offset end = end_offset();
  CAIRN_RETURN_IF_ERROR(posix::make_directories(directory));
  Segments segments;
  {
    const MutexLock lock(mutex_);
    segments = segments_;
  }
  for (const auto& segment : segments) CAIRN_RETURN_IF_ERROR(segment->copy(directory));
  CAIRN_RETURN_IF_ERROR(AcknowledgedMark::create(directory, end).status());
  return write_identity(directory, fork_at(identity_, end));
}

Offset FileEventLog::begin_after_trim(Offset offset) const {
  const MutexLock lock(mutex_);
  return segments_[trimmable(offset)]->start();
}

std::size_t FileEventLog::trimmable(Offset offset) const {
  const Offset kept{durable_end_.value - static_cast<std::int64_t>(options_.kept_bytes)};
  std::size_t count = 0;
  while (count + 1 < segments_.size()) {
    const Offset end = segments_[count + 1]->start();
    const bool is_kept = end > kept && segments_.size() - count <= kKeptSegmentsMax;
    if (end > offset || is_kept) break;
    ++count;
  }
  return count;
}

void FileEventLog::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  if (refusal_.ok()) refusal_ = unavailable("the event log '" + options_.path + "' is closed");
  changed_.notify_all();
}

// ---- opening ------------------------------------------------------------------------------------------------------

Result<posix::File> lock_directory(const std::string& directory) {
  CAIRN_RETURN_IF_ERROR(posix::make_directories(directory));
  CAIRN_ASSIGN_OR_RETURN(posix::File lock, posix::File::open(directory + "/lock", O_RDWR | O_CREAT));
  CAIRN_RETURN_IF_ERROR(lock.lock());
  return lock;
}

Status lost(const std::string& what) { return data_loss(what + std::string(kRemedy)); }

Status with_remedy(Status status) {
  return status.code() == StatusCode::kDataLoss ? lost(status.message()) : std::move(status);
}

/// What stands beside the segments. Both are absent in a log that is being made, or that has no identity yet.
struct Beside {
  std::optional<LogIdentity> identity;
  std::optional<AcknowledgedMark> acknowledged;

  [[nodiscard]] Offset acknowledged_end() const { return acknowledged ? acknowledged->end() : Offset{0}; }
};

Result<Beside> open_beside(const EventLogOptions& options) {
  Beside beside;
  auto identity = read_identity(options.path);
  if (!identity.ok()) return with_remedy(std::move(identity).status());
  beside.identity = *std::move(identity);
  auto acknowledged = AcknowledgedMark::open(options.path);
  if (!acknowledged.ok()) return with_remedy(std::move(acknowledged).status());
  beside.acknowledged = *std::move(acknowledged);
  if (!beside.identity && options.must_exist) {
    return lost("the event log in '" + options.path + "' is lost: '" + identity_path(options.path) + "' is missing");
  }
  if (beside.identity && !beside.acknowledged) {
    return lost("'" + AcknowledgedMark::path(options.path) +
                "' is missing, so that nobody can tell whether the end of the event log is there");
  }
  return beside;
}

/// Opens the newest segment for appending: a file that its creation did not finish is made anew.
Result<std::shared_ptr<Segment>> open_newest(const std::string& directory, Offset start, Offset acknowledged) {
  CAIRN_ASSIGN_OR_RETURN(const bool unfinished, Segment::is_unfinished(directory, start));
  if (!unfinished) return Segment::open(directory, start);
  if (start < acknowledged) {
    return data_loss("'" + Segment::path(directory, start) + "' is empty, and had acknowledged events from offset " +
                     std::to_string(start.value) + " to " + std::to_string(acknowledged.value));
  }
  return Segment::create(directory, start);
}

Status missing_segments(const std::string& directory, Offset from, Offset to) {
  return data_loss("the event log in '" + directory + "' has no file for offsets " + std::to_string(from.value) +
                   " to " + std::to_string(to.value));
}

Result<Segments> open_segments(const std::string& directory, const Beside& beside) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Offset> starts, Segment::list(directory));
  const Offset acknowledged = beside.acknowledged_end();
  if (starts.empty() && beside.identity) return missing_segments(directory, Offset{0}, acknowledged);
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
                         " and the next segment begins at " + std::to_string(start.value));
      }
    }
    CAIRN_ASSIGN_OR_RETURN(auto segment, start == starts.back() ? open_newest(directory, start, acknowledged)
                                                                : Segment::open(directory, start));
    segments.push_back(std::move(segment));
  }
  return segments;
}

/// Cuts off what the last group left when a crash tore it. Returns: the end.
Result<Offset> cut_torn_tail(Segment& segment, Offset acknowledged, const Logger& log) {
  CAIRN_ASSIGN_OR_RETURN(const Tail tail, find_tail(segment));
  if (tail.damaged) {
    return data_loss("record at offset " + std::to_string(tail.damaged->value) + " in '" + segment.path() +
                     "' is damaged, and acknowledged records follow");
  }
  if (tail.end < acknowledged) {
    return data_loss("'" + segment.path() + "' is whole up to offset " + std::to_string(tail.end.value) +
                     ", and events up to offset " + std::to_string(acknowledged.value) + " were acknowledged");
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

/// Gives a log the id that it lacks: one that is new, or a copy that is opened for the first time.
Result<LogIdentity> settle_identity(const EventLogOptions& options, std::optional<LogIdentity> found, Offset end) {
  if (found && !found->id.empty()) return *std::move(found);
  LogIdentity identity;
  if (found) {
    identity = *std::move(found);
    identity.id = draw_log_id();
    if (!identity.ancestors.empty()) identity.ancestors.front().end = end;
    options.log.warning("event_log.restored", "this is a copy of an event log and goes on as one of its own",
                        {{"id", identity.id},
                         {"copy_of", identity.ancestors.empty() ? "" : identity.ancestors.front().id},
                         {"end", std::to_string(end.value)}});
  } else {
    identity.id = options.id.empty() ? draw_log_id() : options.id;
  }
  CAIRN_RETURN_IF_ERROR(write_identity(options.path, identity));
  return identity;
}

}  // namespace

Result<std::unique_ptr<EventLog>> open_event_log(EventLogOptions options) {
  CAIRN_ASSIGN_OR_RETURN(posix::File lock, lock_directory(options.path));
  CAIRN_RETURN_IF_ERROR(remove_unfinished_rewrites(options.path));
  CAIRN_ASSIGN_OR_RETURN(Beside beside, open_beside(options));
  auto segments = open_segments(options.path, beside);
  if (!segments.ok()) return with_remedy(std::move(segments).status());
  const auto end = cut_torn_tail(*segments->back(), beside.acknowledged_end(), options.log);
  if (!end.ok()) return with_remedy(end.status());
  // The mark before the identity: a log that has an identity has a mark.
  if (!beside.acknowledged) {
    CAIRN_ASSIGN_OR_RETURN(beside.acknowledged, AcknowledgedMark::create(options.path, *end));
  }
  CAIRN_ASSIGN_OR_RETURN(LogIdentity identity, settle_identity(options, std::move(beside.identity), *end));
  return std::unique_ptr<EventLog>(std::make_unique<FileEventLog>(std::move(options), std::move(lock),
                                                                  std::move(identity), *std::move(beside.acknowledged),
                                                                  *std::move(segments), *end));
}

}  // namespace cairn::streaming
