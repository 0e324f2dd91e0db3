#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/ids.h"

namespace cairn::streaming {

/// The longest payload of a record, and the most bytes that are written and synced at once. A larger length on the disk
/// is damage, whatever the checksum says.
inline constexpr std::size_t kRecordPayloadMax = 16u << 20;
inline constexpr std::size_t kGroupBytesMax = 32u << 20;

/// length, distance, checksum: see format.md.
inline constexpr std::size_t kRecordHeaderBytes = 12;

[[nodiscard]] constexpr std::size_t record_bytes(std::size_t payload_bytes) {
  return kRecordHeaderBytes + payload_bytes;
}

/// The first byte of a payload that stands where records were lost and given up. Nothing else of it means anything.
inline constexpr char kGivenUp = 5;

/// Little-endian, as every number on disk.
void append_u32(std::uint32_t value, std::string* bytes);
void append_u64(std::uint64_t value, std::string* bytes);
/// Requires: the number's bytes at `at`.
[[nodiscard]] std::uint32_t load_u32(const char* at);
[[nodiscard]] std::uint64_t load_u64(const char* at);

/// Appends the record of `payload` at `offset` in the group that begins at `group_start`. `payload_crc` is
/// crc32c(payload), which can be computed before the offset is known, outside a lock.
void append_record(Offset offset, Offset group_start, std::string_view payload, std::uint32_t payload_crc,
                   std::string* bytes);

/// A record as it was found.
struct ParsedRecord {
  enum class Found { kWhole, kCutOff, kDamaged };
  Found found = Found::kDamaged;
  std::size_t bytes_needed = 0;  ///< of the whole record, header included; with kCutOff, at least so many
  Offset group_start;            ///< with kWhole
  std::string_view payload;      ///< with kWhole; views into what was parsed
};

/// Parses the record at the front of `bytes`, which stands at `offset`.
[[nodiscard]] ParsedRecord parse_record(Offset offset, std::string_view bytes);

}  // namespace cairn::streaming
