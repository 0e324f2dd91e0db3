#include "streaming/log/rewriting.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "cairn/kill_point.h"
#include "streaming/log/crc32c.h"

namespace cairn::streaming {
namespace {

constexpr std::string_view kUnfinished = ".events.new";

/// A record that is to stand at the offset.
struct NewRecord {
  Offset at;
  std::string bytes;
};

Result<std::vector<NewRecord>> find_changes(const Segment& segment, Offset end, const EventLog::Change& change) {
  std::vector<NewRecord> changes;
  std::string payload;
  RecordWalk walk(segment, segment.start(), end);
  while (!walk.at_end()) {
    const Offset at = walk.offset();
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found != ParsedRecord::Found::kWhole) {
      return data_loss("record at offset " + std::to_string(at.value) + " in '" + segment.path() +
                       "' is damaged; restore the file from a backup, or start once with --accept-log-loss");
    }
    payload.assign(record.payload);
    if (!change(at, std::span(payload.data(), payload.size()))) continue;
    append_record(at, record.group_start, payload, crc32c(payload), &changes.emplace_back(NewRecord{at, {}}).bytes);
  }
  return changes;
}

}  // namespace

Result<RewrittenSegment> rewrite_segment(const Segment& segment, const std::string& directory, Offset end,
                                         const EventLog::Change& change) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<NewRecord> changes, find_changes(segment, end, change));
  if (changes.empty()) return RewrittenSegment{};
  const std::string path = Segment::path(directory, segment.start());
  const std::string fresh = path + ".new";
  const auto put_in = [&](posix::File& file, std::int64_t header_bytes) {
    for (const NewRecord& record : changes) {
      CAIRN_RETURN_IF_ERROR(file.write_at(record.bytes, header_bytes + record.at.value - segment.start().value));
    }
    return ok_status();
  };
  if (Status written = segment.write_copy(fresh, put_in); !written.ok()) {
    ::unlink(fresh.c_str());  // the disk may be full
    return written;
  }
  CAIRN_KILL_POINT("log.segment_rewritten");
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return posix::io_error("cannot rename", fresh, errno);
  CAIRN_RETURN_IF_ERROR(posix::sync_directory(directory));
  CAIRN_ASSIGN_OR_RETURN(auto opened, Segment::open(directory, segment.start()));
  return RewrittenSegment{std::move(opened), changes.size()};
}

Status remove_unfinished_rewrites(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    if (path.ends_with(kUnfinished) && ::unlink(path.c_str()) != 0)
      return posix::io_error("cannot remove", path, errno);
  }
  return error ? posix::io_error("cannot list", directory, error.value()) : ok_status();
}

}  // namespace cairn::streaming
