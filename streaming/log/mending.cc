// A log that was damaged: what is wrong with it, and how it is made whole without what is lost.

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "streaming/event_log.h"
#include "streaming/log/acknowledged.h"
#include "streaming/log/crc32c.h"
#include "streaming/log/identity.h"
#include "streaming/log/segment.h"

namespace cairn::streaming {
namespace {

/// The longest record that stands for lost ones.
constexpr std::int64_t kFillerBytesMax = 1 << 20;

/// The API's events are nowhere else: nobody reads them again.
constexpr const char* kRemedy =
    "restore the file from a backup or restore a checkpoint, or start once with --accept-log-loss to go on without "
    "these events";

std::string text(Offset offset) { return std::to_string(offset.value); }

/// Writes records that say "given up" from `from` to `to`.
Status fill(Segment& segment, Offset from, Offset to) {
  constexpr std::int64_t kLeast = kRecordHeaderBytes + 1;
  while (from < to) {
    const std::int64_t left = to.value - from.value;
    if (left < kLeast) {
      return failed_precondition("offsets " + text(from) + " to " + text(to) + " of '" + segment.path() +
                                 "' are too few for a record; restore the file from a backup");
    }
    std::int64_t size = std::min(left, kFillerBytesMax);
    if (left - size > 0 && left - size < kLeast) size -= kLeast;
    std::string payload(static_cast<std::size_t>(size) - kRecordHeaderBytes, '\0');
    payload[0] = kGivenUp;
    std::string record;
    append_record(from, from, payload, crc32c(payload), &record);
    CAIRN_RETURN_IF_ERROR(segment.write(from, record));
    from.value += size;
  }
  return ok_status();
}

/// Mends one segment, which ends at `end`; the newest one, without it, ends where it likes, but not before `least`.
Status mend_segment(Segment& segment, std::optional<Offset> end, Offset least, std::vector<LogLoss>* losses) {
  CAIRN_ASSIGN_OR_RETURN(Offset file_end, segment.end_of_file());
  if (end && file_end > *end) {
    CAIRN_RETURN_IF_ERROR(segment.cut(*end));
    file_end = *end;
  }
  Offset at = segment.start();
  while (at < file_end) {
    RecordWalk walk(segment, at, file_end);
    while (!walk.at_end()) {
      CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
      if (record.found != ParsedRecord::Found::kWhole) break;
    }
    at = walk.offset();
    if (walk.at_end()) break;
    CAIRN_ASSIGN_OR_RETURN(const Offset next, next_whole_record(segment, {at.value + 1}, file_end));
    if (next == file_end) {
      CAIRN_RETURN_IF_ERROR(segment.cut(at));
      break;
    }
    CAIRN_RETURN_IF_ERROR(fill(segment, at, next));
    losses->push_back({at, next});
    at = next;
  }
  const Offset wanted = end ? *end : std::max(at, least);
  if (at < wanted) {
    CAIRN_RETURN_IF_ERROR(fill(segment, at, wanted));
    losses->push_back({at, wanted});
  }
  return segment.sync();
}

Result<std::shared_ptr<Segment>> open_to_mend(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(const bool unfinished, Segment::is_unfinished(directory, start));
  return unfinished ? Segment::create(directory, start) : Segment::mend(directory, start);
}

/// Returns: where the log ends.
Result<Offset> mend_segments(const std::string& directory, Offset needed, Offset least, std::vector<LogLoss>* losses) {
  CAIRN_ASSIGN_OR_RETURN(std::vector<Offset> starts, Segment::list(directory));
  if (starts.empty() || needed < starts.front()) {
    CAIRN_RETURN_IF_ERROR(Segment::create(directory, needed).status());
    starts.insert(starts.begin(), needed);
  }
  for (std::size_t i = 0; i < starts.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(const auto segment, open_to_mend(directory, starts[i]));
    const auto end = i + 1 < starts.size() ? std::optional(starts[i + 1]) : std::nullopt;
    CAIRN_RETURN_IF_ERROR(mend_segment(*segment, end, least, losses));
  }
  CAIRN_ASSIGN_OR_RETURN(const auto newest, Segment::open(directory, starts.back()));
  return newest->end_of_file();
}

/// What is wrong with a segment's records up to `end`.
void examine_records(const Segment& segment, Offset end, std::vector<Damage>* found) {
  for (Offset at = segment.start(); at < end;) {
    RecordWalk walk(segment, at, end);
    while (!walk.at_end()) {
      const auto record = walk.next();
      if (!record.ok()) return found->push_back(damage_of(record.status(), kRemedy));
      if (record->found != ParsedRecord::Found::kWhole) break;
    }
    if (walk.at_end()) return;
    found->push_back(
        {"'" + segment.path() + "': the record at offset " + text(walk.offset()) + " is damaged", kRemedy});
    const auto next = next_whole_record(segment, {walk.offset().value + 1}, end);
    at = next.ok() ? *next : end;
  }
}

}  // namespace

Result<std::vector<LogLoss>> give_up_lost_records(const EventLogOptions& options, Offset needed) {
  const std::string& directory = options.path;
  CAIRN_RETURN_IF_ERROR(posix::make_directories(directory));
  CAIRN_ASSIGN_OR_RETURN(posix::File lock, posix::File::open(directory + "/lock", O_RDWR | O_CREAT));
  CAIRN_RETURN_IF_ERROR(lock.lock());
  const auto mark = AcknowledgedMark::open(directory);
  const Offset acknowledged = mark.ok() && *mark ? (*mark)->end() : Offset{0};
  std::vector<LogLoss> losses;
  CAIRN_ASSIGN_OR_RETURN(const Offset end, mend_segments(directory, needed, std::max(needed, acknowledged), &losses));
  if (!mark.ok() || !*mark || acknowledged < end) {
    CAIRN_RETURN_IF_ERROR(AcknowledgedMark::create(directory, end).status());
  }
  const auto found = read_identity(directory);
  const bool named = found.ok() && *found;
  const LogIdentity identity = named ? **found : LogIdentity{options.id.empty() ? draw_log_id() : options.id, {}};
  if (!identity.id.empty()) CAIRN_RETURN_IF_ERROR(write_identity(directory, fork_at(identity, end)));
  return losses;
}

LogExamination examine_event_log(const std::string& directory) {
  LogExamination found;
  const auto note = [&found](std::string what) { found.damaged.push_back({std::move(what), kRemedy}); };
  const auto note_status = [&found](const Status& status) {
    if (!status.ok() && status.code() != StatusCode::kNotFound) found.damaged.push_back(damage_of(status, kRemedy));
  };
  const auto identity = read_identity(directory);
  note_status(identity.status());
  const auto mark = AcknowledgedMark::open(directory);
  note_status(mark.status());
  const bool named = identity.ok() && identity->has_value();
  if (named) found.identity = **identity;
  if (identity.ok() && !named && mark.ok() && *mark) note("'" + directory + "/identity' is missing");
  if (named && mark.ok() && !*mark) note("'" + AcknowledgedMark::path(directory) + "' is missing");
  const Offset acknowledged = mark.ok() && *mark ? (*mark)->end() : Offset{0};
  const auto starts = Segment::list(directory);
  note_status(starts.status());
  if (!starts.ok()) return found;
  std::optional<Offset> end;  // of the segment before
  for (const Offset start : *starts) {
    const auto segment = Segment::open(directory, start);
    note_status(segment.status());
    if (!segment.ok()) {
      end.reset();
      continue;
    }
    if (end && *end != start) {
      note("'" + Segment::path(directory, start) + "': offsets " + text(*end) + " to " + text(start) +
           " before it are missing");
    }
    const auto file_end = (*segment)->end_of_file();
    note_status(file_end.status());
    if (!file_end.ok()) continue;
    end = *file_end;
    // Behind what is acknowledged an append may be under way.
    const bool newest = start == starts->back();
    examine_records(**segment, newest ? std::min(*end, std::max(acknowledged, start)) : *end, &found.damaged);
  }
  if (named && (!end || *end < acknowledged)) {
    const std::string last = starts->empty() ? directory : Segment::path(directory, starts->back());
    note("the event log in '" + directory + "' ends with '" + last + "' at offset " + (end ? text(*end) : "0") +
         ", and events up to offset " + text(acknowledged) + " were acknowledged");
  }
  if (!starts->empty()) found.begin = starts->front();
  found.end = end.value_or(found.begin);
  return found;
}

std::optional<Offset> oldest_record(const std::string& directory) {
  const auto starts = Segment::list(directory);
  return starts.ok() && !starts->empty() ? std::optional(starts->front()) : std::nullopt;
}

}  // namespace cairn::streaming
