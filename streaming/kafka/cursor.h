#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::streaming::kafka {

/// What a record is known again by. A topic that was made anew under the same name has another one at the offset, or
/// none.
struct Fingerprint {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
  std::uint32_t crc = 0;  ///< crc32c of key and payload

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// The Kafka source's SourcePosition::cursor: how many partitions the topic had when the position was reached (a topic
/// never has fewer later, unless it is another one of the same name), and the last record that was read.
struct Cursor {
  std::int32_t partitions = 0;      ///< 0: not known
  std::int32_t incarnation = 0;     ///< how often a topic was begun anew that had taken the place of the one before
  std::optional<Fingerprint> last;  ///< before the position; absent when none was read

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

/// "2 PARTITIONS OFFSET TIMESTAMP CRC", decimal and, for the checksum, hexadecimal; "1 PARTITIONS" without a record.
/// With an incarnation "4 PARTITIONS INCARNATION OFFSET TIMESTAMP CRC" and "3 PARTITIONS INCARNATION". Under 100 bytes.
[[nodiscard]] std::string encode_cursor(const Cursor& cursor);

/// Returns: an empty Cursor for an empty text, which says nothing; INVALID_ARGUMENT, beginning with `where`, for what
/// encode_cursor() did not make.
[[nodiscard]] Result<Cursor> decode_cursor(const std::string& text, std::string_view where);

}  // namespace cairn::streaming::kafka
