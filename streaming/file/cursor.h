#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// What a file begins with, as far as that was known: tells a file from another one that has got its name or its inode.
/// A file that only grows keeps it.
struct Fingerprint {
  static constexpr std::size_t kBytesMax = 1024;

  std::uint32_t size = 0;  ///< bytes covered; 0 fits every file
  std::uint32_t crc = 0;   ///< crc32c of them

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// Whether `file` begins with what `*head` was taken from; extends `*head` to what it begins with now, up to kBytesMax.
/// Returns: UNAVAILABLE.
[[nodiscard]] Result<bool> verify(const posix::File& file, Fingerprint* head);

/// In which file an offset of the stream counts: the file source's SourcePosition::cursor.
struct FileCursor {
  posix::FileId id;
  std::int64_t base = 0;  ///< the stream's offset at which the file's content begins
  Fingerprint head;
  bool damage_told = false;  ///< the record at the offset was delivered as cut off by damaged gzip data

  friend bool operator==(const FileCursor&, const FileCursor&) = default;
};

/// A line of text, under 128 bytes.
[[nodiscard]] std::string encode(const FileCursor& cursor);
/// Returns: INVALID_ARGUMENT when encode() did not make it.
[[nodiscard]] Result<FileCursor> decode_cursor(const std::string& text);

}  // namespace cairn::streaming
