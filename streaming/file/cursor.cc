#include "streaming/file/cursor.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "streaming/log/crc32c.h"

namespace cairn::streaming {
namespace {

// The leading 1 is the format's version.
constexpr char kPrint[] = "1 %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu32 " %08" PRIx32 " %d";
constexpr char kScan[] = "1 %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu32 " %8" SCNx32 " %d%n";

}  // namespace

Result<bool> verify(const posix::File& file, Fingerprint* head, std::string* bytes) {
  char now[Fingerprint::kBytesMax];
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file.read_at(now, 0));
  // What was covered must be there unchanged; what follows it may be new, and is covered from now on.
  if (n < head->size || crc32c({now, head->size}) != head->crc) return false;
  *head = {.size = static_cast<std::uint32_t>(n), .crc = crc32c({now, n})};
  if (bytes != nullptr && bytes->size() != n) bytes->assign(now, n);
  return true;
}

Result<bool> verify_shorter(const posix::File& file, const std::string& bytes, Fingerprint* head) {
  char now[Fingerprint::kBytesMax];
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file.read_at(now, 0));
  if (n == 0 || n >= bytes.size() || !bytes.starts_with(std::string_view(now, n))) return false;
  *head = {.size = static_cast<std::uint32_t>(n), .crc = crc32c({now, n})};
  return true;
}

std::string encode(const FileCursor& cursor) {
  char text[128];
  const int size = std::snprintf(text, sizeof text, kPrint, cursor.id.device, cursor.id.inode, cursor.base,
                                 cursor.head.size, cursor.head.crc, cursor.damage_told ? 1 : 0);
  return {text, static_cast<std::size_t>(size)};
}

Result<FileCursor> decode_cursor(const std::string& text) {
  FileCursor cursor;
  int damage_told = 0;
  int end = -1;
  const int fields = std::sscanf(text.c_str(), kScan, &cursor.id.device, &cursor.id.inode, &cursor.base,
                                 &cursor.head.size, &cursor.head.crc, &damage_told, &end);
  cursor.damage_told = damage_told != 0;
  // scanf takes more than one spelling of a number, and numbers that are too large.
  const bool whole = fields == 6 && end == static_cast<int>(text.size()) && encode(cursor) == text;
  if (!whole || cursor.head.size > Fingerprint::kBytesMax) {
    return invalid_argument(std::string("no position of a file source: '").append(text, 0, 128).append("'"));
  }
  return cursor;
}

}  // namespace cairn::streaming
