#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "streaming/file/cursor.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// A file by name, as it was when it was looked at.
struct FoundFile {
  std::string path;
  posix::FileInfo info;
};

/// The files beside `path` that a rotation has made of it, oldest first: its name and a '.' or '-' and a number or a
/// date ("events.ndjson.1", "events.ndjson-20240501", also with ".gz"). Ordered by the time of their last byte, which a
/// rotation does not change; then by number, the higher being the older.
/// Returns: UNAVAILABLE.
[[nodiscard]] Result<std::vector<FoundFile>> rotated_files(const std::string& path);

/// The file that follows `current` in the stream of `path`: the oldest rotated one that is younger, else the one at
/// `path`. Empty files are passed over: a file at `path` is taken once its writer has begun it, and so is done with the
/// one before.
/// Returns: none when `current` still stands at `path`, or nothing follows yet; UNAVAILABLE.
[[nodiscard]] Result<std::optional<FoundFile>> file_after(const std::string& path, const posix::FileInfo& current);

/// The file that `cursor` means, at `path` or beside it, with at least `content_bytes` of content (not told for gzip
/// files): the same inode with the same beginning, whatever its name is now; or else, another inode with the same
/// beginning (restored, or the copy that copytruncate makes).
/// Returns: none, UNAVAILABLE.
[[nodiscard]] Result<std::optional<FoundFile>> find_file(const std::string& path, const FileCursor& cursor,
                                                         std::int64_t content_bytes);

}  // namespace cairn::streaming
