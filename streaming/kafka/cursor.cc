#include "streaming/kafka/cursor.h"

#include <cinttypes>
#include <cstddef>
#include <cstdio>

namespace cairn::streaming::kafka {
namespace {

// The leading number says which fields follow.
constexpr char kPrintRecord[] = " %" PRId64 " %" PRId64 " %08" PRIx32;
constexpr char kScanRecord[] = " %" SCNd64 " %" SCNd64 " %8" SCNx32;

}  // namespace

std::string encode_cursor(const Cursor& cursor) {
  const bool anew = cursor.incarnation > 0;
  const char kind = static_cast<char>((anew ? '3' : '1') + (cursor.last ? 1 : 0));
  std::string text = std::string(1, kind) + " " + std::to_string(cursor.partitions);
  if (anew) text += " " + std::to_string(cursor.incarnation);
  if (!cursor.last) return text;
  char record[64];
  const int size = std::snprintf(record, sizeof record, kPrintRecord, cursor.last->offset, cursor.last->timestamp_ms,
                                 cursor.last->crc);
  return text.append(record, static_cast<std::size_t>(size));
}

Result<Cursor> decode_cursor(const std::string& text, std::string_view where) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const bool anew = text[0] == '3' || text[0] == '4';
  int begin = -1;
  if (anew) {
    std::sscanf(text.c_str(), "%*c %" SCNd32 " %" SCNd32 "%n", &cursor.partitions, &cursor.incarnation, &begin);
  } else {
    std::sscanf(text.c_str(), "%*c %" SCNd32 "%n", &cursor.partitions, &begin);
  }
  Fingerprint last;
  const bool recorded = begin > 0 && (text[0] == '2' || text[0] == '4');
  if (recorded && std::sscanf(text.c_str() + begin, kScanRecord, &last.offset, &last.timestamp_ms, &last.crc) == 3) {
    cursor.last = last;
  }
  // Made again from what was read, it is the same, to the last blank.
  if (begin > 0 && cursor.partitions > 0 && encode_cursor(cursor) == text) return cursor;
  return invalid_argument(std::string(where) + "the stored position is no position of a Kafka source: '" +
                          text.substr(0, 128) + "'");
}

}  // namespace cairn::streaming::kafka
