#include "streaming/log/record.h"

#include "streaming/log/crc32c.h"

namespace cairn::streaming {
namespace {

template <class Number>
void store_number(Number value, char* at) {
  for (std::size_t i = 0; i < sizeof value; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

template <class Number>
void append_number(Number value, std::string* bytes) {
  char number[sizeof value];
  store_number(value, number);
  bytes->append(number, sizeof number);
}

/// The payload's checksum goes on over where the record stands, so that bytes which look like a record, inside a
/// payload or left over from another file, are none.
std::uint32_t record_crc(std::uint32_t payload_crc, Offset offset, std::uint32_t length, std::uint32_t distance) {
  char place[16];
  store_number(static_cast<std::uint64_t>(offset.value), place);
  store_number(length, place + 8);
  store_number(distance, place + 12);
  return crc32c({place, sizeof place}, payload_crc);
}

template <class Number>
Number load_number(const char* at) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= Number{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

}  // namespace

void append_u32(std::uint32_t value, std::string* bytes) { append_number(value, bytes); }
void append_u64(std::uint64_t value, std::string* bytes) { append_number(value, bytes); }
std::uint32_t load_u32(const char* at) { return load_number<std::uint32_t>(at); }
std::uint64_t load_u64(const char* at) { return load_number<std::uint64_t>(at); }

void append_record(Offset offset, Offset group_start, std::string_view payload, std::uint32_t payload_crc,
                   std::string* bytes) {
  const auto length = static_cast<std::uint32_t>(payload.size());
  const auto distance = static_cast<std::uint32_t>(offset.value - group_start.value);
  append_u32(length, bytes);
  append_u32(distance, bytes);
  append_u32(record_crc(payload_crc, offset, length, distance), bytes);
  bytes->append(payload);
}

ParsedRecord parse_record(Offset offset, std::string_view bytes) {
  using Found = ParsedRecord::Found;
  ParsedRecord record;
  record.bytes_needed = kRecordHeaderBytes;
  record.found = Found::kCutOff;
  if (bytes.size() < kRecordHeaderBytes) return record;
  const std::uint32_t length = load_u32(bytes.data());
  const std::uint32_t distance = load_u32(bytes.data() + 4);
  // Looked at before the checksum: a damaged length would make us wait for, or read, gigabytes.
  record.found = Found::kDamaged;
  if (length > kRecordPayloadMax || distance > kGroupBytesMax) return record;
  record.bytes_needed = record_bytes(length);
  record.found = Found::kCutOff;
  if (bytes.size() < record.bytes_needed) return record;
  record.payload = bytes.substr(kRecordHeaderBytes, length);
  record.group_start = Offset{offset.value - distance};
  const bool sound = record_crc(crc32c(record.payload), offset, length, distance) == load_u32(bytes.data() + 8);
  record.found = sound ? Found::kWhole : Found::kDamaged;
  return record;
}

}  // namespace cairn::streaming
