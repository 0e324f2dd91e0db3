#include "streaming/kafka/cursor.h"

#include <cinttypes>
#include <cstddef>
#include <cstdio>

namespace cairn::streaming::kafka {
namespace {

// The leading number is the format's version.
constexpr char kPrintRecord[] = "2 %" PRId32 " %" PRId64 " %" PRId64 " %08" PRIx32;
constexpr char kScanRecord[] = "2 %" SCNd32 " %" SCNd64 " %" SCNd64 " %8" SCNx32 "%n";
constexpr char kScanCount[] = "1 %" SCNd32 "%n";

}  // namespace

std::string encode_cursor(const Cursor& cursor) {
  if (!cursor.last) return "1 " + std::to_string(cursor.partitions);
  char text[80];
  const int size = std::snprintf(text, sizeof text, kPrintRecord, cursor.partitions, cursor.last->offset,
                                 cursor.last->timestamp_ms, cursor.last->crc);
  return {text, static_cast<std::size_t>(size)};
}

Result<Cursor> decode_cursor(const std::string& text, std::string_view where) {
  Cursor cursor;
  if (text.empty()) return cursor;
  Fingerprint last;
  int end = -1;
  const int fields =
      std::sscanf(text.c_str(), kScanRecord, &cursor.partitions, &last.offset, &last.timestamp_ms, &last.crc, &end);
  if (fields == 4) {
    cursor.last = last;
  } else {
    end = -1;
    std::sscanf(text.c_str(), kScanCount, &cursor.partitions, &end);
  }
  // Made again from what was read, it is the same, to the last blank.
  if (end == static_cast<int>(text.size()) && cursor.partitions > 0 && encode_cursor(cursor) == text) return cursor;
  return invalid_argument(std::string(where) + "the stored position is no position of a Kafka source: '" +
                          text.substr(0, 128) + "'");
}

}  // namespace cairn::streaming::kafka
