#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// The length and checksum of a file's first bytes, which identify the file. Neither its name nor its inode does: a
/// rotation gives the name to another file, and a file system gives the inode of a removed file to a new one. A file
/// that only grows keeps its first bytes, so its fingerprint stays valid.
struct Fingerprint {
  static constexpr std::size_t kBytesMax = 1024;

  std::uint32_t size = 0;  ///< how many bytes the checksum covers; with 0, every file matches
  std::uint32_t crc = 0;   ///< crc32c of them

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// Whether the first bytes of `file` match `*head`. When they do, `*head` is extended: it then covers all that the file
/// begins with at present, up to kBytesMax. `bytes`, when given, holds what `*head` covers, or nothing yet; it is kept
/// up with it.
/// Returns: UNAVAILABLE.
[[nodiscard]] Result<bool> verify(const posix::File& file, Fingerprint* head, std::string* bytes = nullptr);

/// Whether all that `file` holds at present is a beginning of `bytes`, and not nothing: what is left of a file that was
/// shortened below its fingerprint. Then `*head` covers that.
/// Returns: UNAVAILABLE.
[[nodiscard]] Result<bool> verify_shorter(const posix::File& file, const std::string& bytes, Fingerprint* head);

/// The file source's SourcePosition::cursor: which file the position lies in.
struct FileCursor {
  posix::FileId id;       ///< tried first; the fingerprint decides
  std::int64_t base = 0;  ///< the stream's offset at which the file's content begins
  Fingerprint head;
  bool damage_told = false;  ///< the record at the offset was delivered already, as torn by damaged gzip data

  friend bool operator==(const FileCursor&, const FileCursor&) = default;
};

/// A line of text, under 128 bytes.
[[nodiscard]] std::string encode(const FileCursor& cursor);
/// Returns: INVALID_ARGUMENT when encode() did not make it.
[[nodiscard]] Result<FileCursor> decode_cursor(const std::string& text);

}  // namespace cairn::streaming
