#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cairn/mutex.h"
#include "streaming/file/content_reader.h"
#include "streaming/file/cursor.h"
#include "streaming/file/line_buffer.h"
#include "streaming/file/rotation.h"
#include "streaming/one_partition.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;    // what was just read is still in the processor's cache when it is cut
constexpr std::size_t kPollBytesMax = 16 << 20;  // of lines in one batch
constexpr int kPollReadsMax = 64;                // so that a poll ends within a line without end, too
constexpr std::chrono::milliseconds kLookEvery{20};
constexpr std::size_t kLeftMax = 4;
constexpr int kQuietWaits = 12;                   // for an old file to become quiet, in the times that it is to be
constexpr std::int64_t kWriterPauseSeconds = 10;  // between two writes into one gzip member

/// A file of which nothing was read, whose content begins at `base` in the stream.
FileCursor beginning_at(std::int64_t base) { return {.id = {}, .base = base, .head = {}, .damage_told = false}; }

bool is_blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
}

/// Whether nothing was written to the file for so long that its writer is not at work any more.
bool is_left_alone(const posix::FileInfo& info) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec - info.modified.tv_sec > kWriterPauseSeconds;
}

/// Follows one name through the files that bear it one after the other. The stream is their contents, end to end.
class FileSource final : public Source {
 public:
  FileSource(FileSourceOptions options, Partition partition, std::size_t event_bytes_max, Logger log,
             RotationTimes times, const Clock& clock)
      : options_(std::move(options)),
        log_(std::move(log)),
        times_(times),
        clock_(clock),
        partition_(partition),
        lines_(event_bytes_max) {}

  const std::string& name() const noexcept override { return options_.name; }
  Status poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) override;
  Status resume(std::span<const SourcePosition> positions) override;
  Status release(std::span<const Partition> partitions) override { return OnePartition::release(partitions); }
  [[nodiscard]] std::vector<Obstacle> obstacles() const override;
  void accept_gaps(std::span<const Partition> partitions) override { gap_accepted_ = !partitions.empty(); }
  [[nodiscard]] bool can_pass_gaps() const override { return true; }
  Result<std::vector<SourcePosition>> end_positions() const override;
  void close() override;

 private:
  enum class Step { kMore, kNothingNow, kFinished };

  /// A record whose bytes may still move: lines_ has them.
  struct Pending {
    std::size_t begin = 0;
    std::size_t size = 0;
    Offset offset;
    Reject reject = Reject::kNone;
  };

  // Opening.
  Status open_first();
  Status open_resumed(const FileCursor& cursor);
  Status open_instead(const FileCursor& lost);
  Status open(const FoundFile& found, const FileCursor& cursor, std::int64_t content_offset);
  Result<FoundFile> at_path() const;
  Status out_of_range(std::string_view why) const;
  [[nodiscard]] bool goes_on_when_shortened() const { return gap_accepted_ || options_.on_gap == OnGap::kAccept; }

  // Reading.
  Result<Step> take(std::size_t records_max);
  Result<Step> advance();
  Result<Step> at_content_end();
  Result<bool> read_more();
  /// What a file still holds of what was read of it.
  enum class Left { kAll, kBeginning, kNothing, kNotTold };
  Result<Left> what_is_left(const posix::FileInfo& info);
  Result<Step> follow_truncation();
  Result<Step> reopen_shortened(const FoundFile& found);
  [[nodiscard]] Result<bool> is_copy(const FoundFile& next) const;
  Result<Step> switch_to(const FoundFile& next);
  void end_file(bool damaged);
  void emit(const LineBuffer::Line& line, std::int64_t terminator);
  bool wait_for_change(std::chrono::steady_clock::time_point deadline);
  void deliver(Step step, RecordBatch* batch);
  void set_obstacle(std::string reason);
  void hold(const std::string& why);
  Result<bool> waits_for_writer();
  Status look_for_name();
  void name_is_there();
  [[nodiscard]] std::string ends_early() const;
  void publish() CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] bool closed() const CAIRN_EXCLUDES(mutex_);

  // Fixed after construction.
  const FileSourceOptions options_;
  const Logger log_;
  const RotationTimes times_;
  const Clock& clock_;

  // Of the polling thread.
  OnePartition partition_;
  std::optional<ContentReader> content_;  ///< none while the file to begin with is awaited
  FileCursor cursor_;                     ///< of content_
  Offset next_;                           ///< of the first line not delivered
  SourcePosition reported_;               ///< what the consumer knows
  LineBuffer lines_;
  bool gap_accepted_ = false;        ///< of the gap that is met when reading begins; a later one is another decision
  bool held_ = false;                ///< the file was seen shortened: what it grows by is not what it held
  std::vector<posix::FileId> left_;  ///< the files that were read before this one, the last few
  std::string head_bytes_;           ///< what cursor_.head covers
  std::string obstacle_;             ///< why nothing comes; empty when all is well
  std::optional<EventTime> rotation_seen_;  ///< another file has the name since then, and waits to be read
  std::optional<EventTime> gone_since_;     ///< no file has the name since then
  std::string gone_;                        ///< the same in words, once it has lasted; an obstacle beside the other
  bool obstacle_changed_ = false;
  std::vector<Pending> pending_;  ///< this poll's records; views are made when the buffer moves no more

  struct Whereabouts {
    posix::FileId id;
    std::int64_t base = 0;
    std::int64_t size = 0;
    bool known = false;
    bool gzip = false;
  };
  mutable Mutex mutex_;
  CondVar closing_;
  Whereabouts whereabouts_ CAIRN_GUARDED_BY(mutex_);
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;
};

// ---- opening ------------------------------------------------------------------------------------------------------

Status FileSource::resume(std::span<const SourcePosition> positions) {
  const SourcePosition* stored = partition_.stored(positions);
  reported_ = stored ? *stored : SourcePosition{partition_.partition(), Offset{0}, {}};
  next_ = reported_.offset;
  const Status status = open_first();
  // A file to be followed need not be there yet: poll() waits for it.
  const bool awaited = status.code() == StatusCode::kNotFound && options_.follow;
  if (status.code() == StatusCode::kNotFound && !awaited) {
    return unavailable(status.message() + "; create it, or correct the path of source '" + options_.name + "'");
  }
  if (!status.ok() && !awaited) return status;
  if (content_) gap_accepted_ = false;
  if (awaited) set_obstacle(status.message() + "; it is waited for: create it, or correct the path");
  partition_.resumed();
  publish();
  return ok_status();
}

/// Returns: NOT_FOUND when there is no file yet.
Status FileSource::open_first() {
  if (reported_.cursor.empty()) {
    CAIRN_ASSIGN_OR_RETURN(const FoundFile found, at_path());
    return open(found, FileCursor{}, reported_.offset.value);
  }
  CAIRN_ASSIGN_OR_RETURN(const FileCursor cursor, decode_cursor(reported_.cursor));
  return open_resumed(cursor);
}

Status FileSource::open_resumed(const FileCursor& cursor) {
  const std::int64_t content_offset = reported_.offset.value - cursor.base;
  if (content_offset < 0)
    return invalid_argument("the stored position of source '" + options_.name + "', partition " +
                            std::to_string(partition_.partition().value) + ", is damaged");
  CAIRN_ASSIGN_OR_RETURN(const auto found, find_file(options_.path, cursor, content_offset));
  return found ? open(*found, cursor, content_offset) : open_instead(cursor);
}

/// The file that was being read is gone. Another one in its place is gone on with; the same one, shortened, is not:
/// what of it was read already cannot be told.
Status FileSource::open_instead(const FileCursor& lost) {
  CAIRN_ASSIGN_OR_RETURN(const FoundFile found, at_path());
  CAIRN_ASSIGN_OR_RETURN(const posix::File file, posix::File::open(found.path, O_RDONLY));
  Fingerprint head = lost.head;
  CAIRN_ASSIGN_OR_RETURN(const bool same_beginning, verify(file, &head));
  if (lost.head.size > 0 && same_beginning) {
    if (!goes_on_when_shortened()) return out_of_range("the file was shortened");
    return open(found, lost, next_.value - lost.base);
  }
  if (!options_.follow && !gap_accepted_) return out_of_range("another file stands there now");
  log_.warning("source.gap", "the file that was being read is gone with what it still held; going on with the new one",
               {{"source", options_.name}, {"path", options_.path}, {"offset", std::to_string(next_.value)}});
  return open(found, beginning_at(next_.value), 0);
}

Result<FoundFile> FileSource::at_path() const {
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, posix::file_info(options_.path));
  return FoundFile{options_.path, info};
}

/// Opens `found` as the file that `cursor` means and goes to `content_offset` in it.
Status FileSource::open(const FoundFile& found, const FileCursor& cursor, std::int64_t content_offset) {
  if (!found.info.regular) return failed_precondition("'" + found.path + "' is no regular file; name one");
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(found.path, O_RDONLY));
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file.info());
  FileCursor opened = cursor;
  opened.id = info.id;
  CAIRN_ASSIGN_OR_RETURN(const bool same, verify(file, &opened.head));
  if (!same || info.id != found.info.id) return unavailable("'" + found.path + "' was replaced while it was opened");
  ContentReader content(std::move(file));
  CAIRN_ASSIGN_OR_RETURN(const std::int64_t reached, content.skip_to(content_offset));
  if (reached < content_offset) {
    if (!goes_on_when_shortened()) return out_of_range("the file was shortened");
    // What is left of it was read before. Only what is written from now on is new, and its offsets count on.
    opened.base = next_.value - reached;
    log_.warning("source.gap_accepted", "the file was shortened; going on at its present end",
                 {{"source", options_.name}, {"path", found.path}, {"offset", std::to_string(next_.value)}});
  }
  cursor_ = opened;
  head_bytes_.clear();
  rotation_seen_.reset();
  held_ = false;
  content_.emplace(std::move(content));
  return ok_status();
}

Status FileSource::out_of_range(std::string_view why) const {
  return {StatusCode::kOutOfRange,
          "source '" + options_.name + "', partition " + std::to_string(partition_.partition().value) +
              ", is to resume at offset " + std::to_string(reported_.offset.value) + ", which '" + options_.path +
              "' does not hold: " + std::string(why) + "; restore the file, or accept the gap"};
}

// ---- reading ------------------------------------------------------------------------------------------------------

Status FileSource::poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  batch->clear();
  if (closed()) return ok_status();
  if (partition_.assign(batch)) return ok_status();
  lines_.release();
  pending_.clear();
  while (true) {
    const auto step = take(records_max);
    if (!step.ok() && pending_.empty()) return step.status();
    const Step reached = step.ok() ? *step : Step::kMore;  // the next poll meets the failure again
    const bool idle = pending_.empty() && reached == Step::kNothingNow;
    if (idle && wait_for_change(deadline)) continue;
    deliver(reached, batch);
    return ok_status();
  }
}

/// Takes lines until there are `records_max`, or kPollBytesMax of them, or no more, or too much was read for them.
Result<FileSource::Step> FileSource::take(std::size_t records_max) {
  for (int reads = 0; reads < kPollReadsMax && lines_.taken_bytes() < kPollBytesMax;) {
    if (pending_.size() >= records_max) break;
    if (LineBuffer::Line line; lines_.next(&line)) {
      emit(line, 1);
      continue;
    }
    CAIRN_ASSIGN_OR_RETURN(const Step step, advance());
    if (step != Step::kMore) return step;
    ++reads;
  }
  return Step::kMore;
}

Result<FileSource::Step> FileSource::advance() {
  if (!content_) {
    Status status = open_first();
    if (status.code() == StatusCode::kNotFound) return Step::kNothingNow;
    CAIRN_RETURN_IF_ERROR(std::move(status));
    gap_accepted_ = false;
    set_obstacle("");
  }
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, content_->file().info());
  CAIRN_ASSIGN_OR_RETURN(const Left left, what_is_left(info));
  if (!options_.follow && (left == Left::kNothing || left == Left::kBeginning)) {
    return data_loss("'" + content_->file().path() + "' was shortened while it was read; restore it");
  }
  if (left == Left::kNothing) return follow_truncation();
  if (left == Left::kNotTold) return Step::kNothingNow;
  if (left == Left::kBeginning) return held_ ? Step::kNothingNow : reopen_shortened({content_->file().path(), info});
  CAIRN_ASSIGN_OR_RETURN(const bool more, read_more());
  if (!more) return at_content_end();
  // What was read and is less than a fingerprint's bytes is all in it: else a file that begins alike by chance could be
  // taken for this one after a restart.
  const bool covered = cursor_.head.size >= std::min<std::int64_t>(Fingerprint::kBytesMax, content_->file_position());
  if (!covered) CAIRN_RETURN_IF_ERROR(verify(content_->file(), &cursor_.head, &head_bytes_).status());
  return Step::kMore;
}

/// Whether the file's writer may still be at work in it although another file has the name now. To be asked after a
/// read that found nothing, so that nothing comes between.
Result<bool> FileSource::waits_for_writer() {
  if (times_.old_file_quiet.count() == 0) return false;
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, content_->file().info());
  const EventTime now = clock_.now();
  const EventTime written = event_time_from_ms(info.modified.tv_sec * 1'000 + info.modified.tv_nsec / 1'000'000);
  if (now - written >= times_.old_file_quiet) return false;
  if (!rotation_seen_) rotation_seen_ = now;
  // Also when the two clocks differ, of this machine and of the one that keeps the files.
  if (now - *rotation_seen_ < kQuietWaits * times_.old_file_quiet) return true;
  log_.warning(
      "source.old_file_written",
      "the file was rotated away and is still written to; going on with the new one, and what is written to the "
      "old one from now on is not read",
      {{"source", options_.name}, {"path", content_->file().path()}});
  return false;
}

/// Tells when no file has had the name for a while.
Status FileSource::look_for_name() {
  const auto found = posix::file_info(options_.path);
  if (found.ok()) {
    name_is_there();
    return ok_status();
  }
  if (found.status().code() != StatusCode::kNotFound) return found.status();
  if (!gone_since_) gone_since_ = clock_.now();
  if (clock_.now() - *gone_since_ < times_.name_gone) return ok_status();
  obstacle_changed_ |= gone_.empty();
  gone_ = "'" + options_.path +
          "' was removed or renamed, and no file has its name now; it is waited for: create it, or " +
          "correct the path";
  return ok_status();
}

void FileSource::name_is_there() {
  gone_since_.reset();
  obstacle_changed_ |= !gone_.empty();
  gone_.clear();
}

/// A file that is shorter than what was read of it, and begins as it did, was shortened. One that begins otherwise, or
/// not at all, was emptied: what it holds is new.
Result<FileSource::Left> FileSource::what_is_left(const posix::FileInfo& info) {
  CAIRN_ASSIGN_OR_RETURN(const bool same, verify(content_->file(), &cursor_.head, &head_bytes_));
  if (same && info.size >= content_->file_position()) return held_ ? Left::kBeginning : Left::kAll;
  if (same) return info.size > 0 ? Left::kBeginning : Left::kNothing;
  Fingerprint head;
  CAIRN_ASSIGN_OR_RETURN(const bool shorter, verify_shorter(content_->file(), head_bytes_, &head));
  if (!shorter) return Left::kNothing;
  // A part of a line may be the start of a new one, not yet written whole.
  if (head_bytes_.find('\n') >= head.size) return Left::kNotTold;
  // The shorter fingerprint goes into the cursor, so that the file is known after a restart, too.
  cursor_.head = head;
  head_bytes_.resize(head.size);
  return Left::kBeginning;
}

/// Returns: whether something was read. Damage ends the content, once it was told of.
Result<bool> FileSource::read_more() {
  const auto read = content_->read(lines_.room(kReadBytes));
  if (read.ok()) {
    lines_.filled(*read);
    if (*read > 0) set_obstacle("");
    return *read > 0;
  }
  if (read.status().code() != StatusCode::kDataLoss) return read.status();
  set_obstacle(read.status().message() + "; put the whole file in its place");
  if (!cursor_.damage_told) end_file(/*damaged=*/true);
  return false;
}

/// Everything that the file has at present is read.
Result<FileSource::Step> FileSource::at_content_end() {
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, content_->file().info());
  CAIRN_ASSIGN_OR_RETURN(const auto next, file_after(options_.path, info, left_));
  if (!next && options_.follow) {
    rotation_seen_.reset();
    CAIRN_RETURN_IF_ERROR(look_for_name());
    if (!content_->at_boundary() && is_left_alone(info)) set_obstacle(ends_early());
    return Step::kNothingNow;
  }
  name_is_there();
  // Written between the last read and the rotation?
  CAIRN_ASSIGN_OR_RETURN(const bool more, read_more());
  if (more) return Step::kMore;
  if (next && options_.follow) {
    CAIRN_ASSIGN_OR_RETURN(const bool copy, info.links == 0 ? is_copy(*next) : Result<bool>(false));
    if (copy) return reopen_shortened(*next);
    CAIRN_ASSIGN_OR_RETURN(const bool waits, waits_for_writer());
    if (waits) return Step::kNothingNow;
  }
  end_file(/*damaged=*/!content_->at_boundary());
  return next ? switch_to(*next) : Result<Step>(Step::kFinished);
}

/// Goes on in `found`, which is the file that is being read, or took its place, with less in it. Where whole lines that
/// were read are gone, what comes next cannot be told: the reader holds there.
Result<FileSource::Step> FileSource::reopen_shortened(const FoundFile& found) {
  const Status status = open(found, cursor_, next_.value - cursor_.base);
  if (status.code() == StatusCode::kOutOfRange) {
    hold("'" + found.path + "' was shortened while it was read, to " + std::to_string(found.info.size) +
         " bytes; restore it and let it be looked at again (cairn consumer retry), or accept the gap");
    return Step::kNothingNow;
  }
  // Renamed meanwhile: another life of the source looks for it under its other names.
  if (status.code() == StatusCode::kNotFound) return unavailable(status.message());
  CAIRN_RETURN_IF_ERROR(Status(status));
  static_cast<void>(lines_.rest());  // of an unfinished line: it is read again as far as it is there
  set_obstacle("");
  return Step::kMore;
}

/// The file begins otherwise than it did: emptied in place and begun anew. What it held may live on in the copy that
/// copytruncate makes.
Result<FileSource::Step> FileSource::follow_truncation() {
  const std::string path = content_->file().path();
  const std::int64_t read = content_->position();
  CAIRN_ASSIGN_OR_RETURN(const auto copy, find_file(options_.path, cursor_, read));
  if (copy && copy->info.id != cursor_.id && !content_->is_gzip()) {
    CAIRN_RETURN_IF_ERROR(open(*copy, cursor_, read));
    return Step::kMore;
  }
  const auto emptied = at_path();
  if (!emptied.ok()) {
    CAIRN_RETURN_IF_ERROR(look_for_name());
    return Step::kNothingNow;
  }
  // What is written into it next tells whether it was emptied, or is written again from its beginning.
  if (emptied->info.id == cursor_.id && emptied->info.size == 0) return Step::kNothingNow;
  log_.warning("source.truncated", "the file was emptied in place; what was not yet read of it is lost",
               {{"source", options_.name}, {"path", path}, {"offset", std::to_string(cursor_.base + read)}});
  end_file(/*damaged=*/!content_->at_boundary());
  return switch_to(*emptied);
}

/// Whether the file that took the place of the one being read begins as that one: an editor writes what it edited into
/// a new file, and a restart would know it by its beginning.
Result<bool> FileSource::is_copy(const FoundFile& next) const {
  CAIRN_ASSIGN_OR_RETURN(const posix::File file, posix::File::open(next.path, O_RDONLY));
  Fingerprint head = cursor_.head;
  CAIRN_ASSIGN_OR_RETURN(const bool same_beginning, verify(file, &head));
  return cursor_.head.size > 0 && same_beginning;
}

Result<FileSource::Step> FileSource::switch_to(const FoundFile& next) {
  const std::int64_t base = cursor_.base + content_->position();
  const posix::FileId old = cursor_.id;
  CAIRN_RETURN_IF_ERROR(open(next, beginning_at(base), 0));
  if (left_.size() == kLeftMax) left_.erase(left_.begin());
  left_.push_back(old);
  std::erase(left_, cursor_.id);  // emptied in place, or the inode of a removed file
  CAIRN_CHECK(!lines_.rest());
  set_obstacle("");
  next_ = Offset{base};
  log_.info("source.rotated", "going on with the next file",
            {{"source", options_.name}, {"path", next.path}, {"offset", std::to_string(base)}});
  return Step::kMore;
}

/// Delivers what follows the file's last newline: as its last line, or as what damage left of one. The latter keeps its
/// offset, so that it is read whole when the file is mended.
void FileSource::end_file(bool damaged) {
  const auto rest = lines_.rest();
  if (!damaged) {
    if (rest) emit(*rest, 0);
    return;
  }
  if (obstacle_.empty()) set_obstacle(ends_early());
  if (cursor_.damage_told) return;
  cursor_.damage_told = true;
  log_.warning("source.gzip_damaged", obstacle_, {{"source", options_.name}});
  LineBuffer::Line torn = rest.value_or(LineBuffer::Line{});
  torn.size = std::min(torn.size, LineBuffer::kCutBytes);
  pending_.push_back({torn.begin, torn.size, next_, Reject::kTruncatedGzip});
}

void FileSource::emit(const LineBuffer::Line& line, std::int64_t terminator) {
  const Reject reject = line.oversized ? Reject::kOversized : Reject::kNone;
  if (line.oversized || !is_blank(lines_.view(line.begin, line.size))) {
    Pending& record = pending_.emplace_back();
    record.begin = line.begin;
    record.size = line.size;
    record.offset = next_;
    record.reject = reject;
  }
  next_.value += line.length + terminator;
  cursor_.damage_told = false;
}

void FileSource::hold(const std::string& why) {
  held_ = true;
  set_obstacle(why);
}

void FileSource::set_obstacle(std::string reason) {
  obstacle_changed_ |= obstacle_ != reason;
  obstacle_ = std::move(reason);
}

std::string FileSource::ends_early() const {
  return "'" + content_->file().path() + "' ends inside its gzip data, at content byte " +
         std::to_string(content_->position()) + "; put the whole file in its place";
}

std::vector<Obstacle> FileSource::obstacles() const {
  const std::string& reason = obstacle_.empty() ? gone_ : obstacle_;
  if (reason.empty()) return {};
  return {{partition_.partition(), "source '" + options_.name + "': " + reason, /*gap=*/held_}};
}

/// Returns: false when it is time to answer.
bool FileSource::wait_for_change(std::chrono::steady_clock::time_point deadline) {
  const auto now = std::chrono::steady_clock::now();
  const auto look = std::min(deadline, now + kLookEvery);
  const MutexLock lock(mutex_);
  if (now >= deadline) return false;
  while (!closed_ && closing_.wait_until(mutex_, look) == std::cv_status::no_timeout) {
  }
  return !closed_;
}

void FileSource::deliver(Step step, RecordBatch* batch) {
  // Filled where they lie: a record that is put together elsewhere and copied waits for its own stores.
  batch->records.resize(pending_.size());
  Record* record = batch->records.data();
  for (const Pending& p : pending_) {
    record->partition = partition_.partition();
    record->offset = p.offset;
    record->payload = lines_.view(p.begin, p.size);
    record->reject = p.reject;
    ++record;
  }
  batch->finished = step == Step::kFinished;
  // Of a file that is not there, or not whole, the end is not known; and where the next one waits, it is no end.
  batch->at_end = step != Step::kMore && content_.has_value() && !held_ && gone_.empty() && !rotation_seen_;
  batch->obstacles_changed = std::exchange(obstacle_changed_, false);
  if (!content_) return;
  SourcePosition now{partition_.partition(), next_, encode(cursor_)};
  // A file merely opened is no progress; one that the stored cursor does not name any more is.
  const bool merely_opened = reported_.cursor.empty() && now.offset == reported_.offset && !cursor_.damage_told;
  if (now != reported_ && !merely_opened) batch->positions.push_back(reported_ = std::move(now));
  publish();
}

// ---- other threads ------------------------------------------------------------------------------------------------

bool FileSource::closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

void FileSource::publish() {
  if (!content_) return;
  const Whereabouts now{.id = cursor_.id,
                        .base = cursor_.base,
                        .size = content_->file_position(),
                        .known = true,
                        .gzip = content_->is_gzip()};
  const MutexLock lock(mutex_);
  whereabouts_ = now;
}

Result<std::vector<SourcePosition>> FileSource::end_positions() const {
  Whereabouts known;
  {
    const MutexLock lock(mutex_);
    known = whereabouts_;
  }
  if (known.gzip) return std::vector<SourcePosition>{};
  const auto info = posix::file_info(options_.path);
  if (!info.ok() && info.status().code() != StatusCode::kNotFound) return info.status();
  if (!known.known && !info.ok()) return std::vector<SourcePosition>{};
  std::int64_t end = known.base + known.size;
  if (info.ok()) {
    const bool same = known.known && info->id == known.id;
    // A file that was emptied or shortened ends no earlier than what was read of it.
    end = same ? known.base + std::max(info->size, known.size) : end + info->size;
  }
  return std::vector<SourcePosition>{{partition_.partition(), Offset{end}, {}}};
}

void FileSource::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  closing_.notify_all();
}

}  // namespace

std::unique_ptr<Source> make_file_source(FileSourceOptions options, Partition partition, std::size_t event_bytes_max,
                                         Logger log, RotationTimes times, const Clock& clock) {
  return std::make_unique<FileSource>(std::move(options), partition, event_bytes_max, std::move(log), times, clock);
}

}  // namespace cairn::streaming
