#pragma once

#include <optional>
#include <span>
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

/// The file to read after `current`: among the rotated files of `path` the oldest one that is younger than `current`,
/// or, when there is none, the file at `path`. Empty files are passed over: until a writer has put its first byte into
/// the new file, it is not done with the old one. Returns: none when `current` is still the file at
/// `path`, or when nothing follows yet; UNAVAILABLE.
/// Rotated files among `read` are passed over: a late line makes a file look younger than the one that followed it.
[[nodiscard]] Result<std::optional<FoundFile>> file_after(const std::string& path, const posix::FileInfo& current,
                                                          std::span<const posix::FileId> read);

/// The file that `cursor` means, at `path` or beside it, whatever its name is now: one that begins with the cursor's
/// fingerprint and holds at least `content_bytes`. (How much content a gzip file has is not known without unpacking it,
/// and not asked for.) The file with the cursor's inode comes first; another one with the same beginning is a file that
/// was restored, or the copy that copytruncate makes.
/// Returns: none, UNAVAILABLE.
[[nodiscard]] Result<std::optional<FoundFile>> find_file(const std::string& path, const FileCursor& cursor,
                                                         std::int64_t content_bytes);

}  // namespace cairn::streaming
