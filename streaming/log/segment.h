#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "streaming/log/record.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// One file of the log: a header, then records from offset `start` on (format.md). Written by one thread; what is
/// written may be read by any.
class Segment {
 public:
  /// Creates the file, empty, under its final name; header and name are on the disk when it returns. A file of that
  /// name that is left from an earlier attempt is replaced.
  /// Returns: RESOURCE_EXHAUSTED, UNAVAILABLE.
  [[nodiscard]] static Result<std::shared_ptr<Segment>> create(const std::string& directory, Offset start);

  /// Returns: FAILED_PRECONDITION for a segment of another version, DATA_LOSS for a header that is not this segment's,
  /// UNAVAILABLE.
  [[nodiscard]] static Result<std::shared_ptr<Segment>> open(const std::string& directory, Offset start);
  /// Opens the file whatever its first bytes are, and writes the header that belongs there.
  /// Returns: FAILED_PRECONDITION for a segment of another version, UNAVAILABLE.
  [[nodiscard]] static Result<std::shared_ptr<Segment>> mend(const std::string& directory, Offset start);

  /// The starts of the segments in `directory`, by file name, ascending.
  [[nodiscard]] static Result<std::vector<Offset>> list(const std::string& directory);

  [[nodiscard]] static std::string path(const std::string& directory, Offset start);

  /// Whether a crash interrupted create(): the file has no records and no valid header.
  [[nodiscard]] static Result<bool> is_unfinished(const std::string& directory, Offset start);

  [[nodiscard]] Offset start() const noexcept { return start_; }
  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  /// The offset after the file's last byte, whole record or not.
  [[nodiscard]] Result<Offset> end_of_file() const;

  /// Reads up to `bytes` from `offset` on. Returns: what is there; UNAVAILABLE.
  [[nodiscard]] Status read(Offset offset, std::size_t bytes, std::string* into) const;
  [[nodiscard]] Status write(Offset offset, std::string_view bytes);
  [[nodiscard]] Status cut(Offset end);
  /// Whether the file is still there under its name and ends at `end`: somebody may have removed or emptied it.
  /// Returns: DATA_LOSS, UNAVAILABLE.
  [[nodiscard]] Status check_end(Offset end) const;
  [[nodiscard]] Status sync() { return file_.sync(); }
  /// Copies what the file holds now into another directory, synced. Returns: RESOURCE_EXHAUSTED, UNAVAILABLE.
  [[nodiscard]] Status copy(const std::string& directory) const;
  /// The same into the file `path`, which is replaced when it is there; `edit` may change it before it is synced.
  using Edit = std::function<Status(posix::File& file, std::int64_t header_bytes)>;
  [[nodiscard]] Status write_copy(const std::string& path, const Edit& edit) const;
  [[nodiscard]] Result<std::uint64_t> free_bytes() const { return file_.free_bytes(); }

 private:
  [[nodiscard]] Status copy_bytes(posix::File& to) const;

  Segment(posix::File file, Offset start) : file_(std::move(file)), start_(start) {}

  posix::File file_;
  const Offset start_;
};

/// Walks a segment's records from `from` to `end`.
class RecordWalk {
 public:
  /// `segment` must outlive the walk.
  RecordWalk(const Segment& segment, Offset from, Offset end) : segment_(segment), at_(from), end_(end) {}

  /// Parses the record at offset() and goes past it when it is whole. A record that `end` cuts off is kCutOff; views
  /// are valid until the next call.
  /// Requires: offset() < end. Returns: UNAVAILABLE.
  [[nodiscard]] Result<ParsedRecord> next();

  [[nodiscard]] Offset offset() const noexcept { return at_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ >= end_; }

 private:
  const Segment& segment_;
  Offset at_;
  const Offset end_;
  std::string window_;
  Offset window_start_;
};

/// Where the next whole record begins at or after `from`, which may be no record's start; `end` when there is none
/// before it. Returns: UNAVAILABLE.
[[nodiscard]] Result<Offset> next_whole_record(const Segment& segment, Offset from, Offset end);

/// How far a segment's records are whole.
struct Tail {
  Offset end;                     ///< after the last whole record
  std::optional<Offset> damaged;  ///< set when acknowledged records follow what is not whole at `end`
};

/// Looks at every record of the newest segment, to tell a torn append from damage. Both are a record that is not whole.
/// An append that a crash tore was the last one. If a record of a later group follows, the bad one is damaged: a group
/// is begun only when the one before it is on the disk. Returns: UNAVAILABLE.
[[nodiscard]] Result<Tail> find_tail(const Segment& segment);

}  // namespace cairn::streaming
