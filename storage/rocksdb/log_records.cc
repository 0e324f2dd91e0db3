#include "storage/rocksdb/log_records.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace cairn::storage {
namespace {

// RocksDB's log format: blocks of 32 KiB; in them records of checksum (4 bytes), length (2), type (1) and payload. The
// checksum is CRC-32C of type and payload, rotated and shifted. What is left of a block below seven bytes is zero.
constexpr std::size_t kBlockBytes = 32768;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::uint8_t kTypeMax = 4;  // full, first, middle, last; logs are not recycled

std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  static const std::array<std::uint32_t, 256> kTable = make_table();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  crc ^= 0xFFFFFFFFu;
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

/// Returns: the size of the whole record at `at`, 0 when there is none.
std::size_t record_at(std::string_view bytes, std::size_t at) {
  const std::size_t left = std::min(bytes.size(), at / kBlockBytes * kBlockBytes + kBlockBytes) - at;
  if (left < kHeaderBytes) return 0;
  const std::size_t length = number(bytes, at + 4, 2);
  const auto type = static_cast<std::uint8_t>(bytes[at + 6]);
  if (type == 0 || type > kTypeMax || kHeaderBytes + length > left) return 0;
  const bool sound = masked_crc32c(bytes.substr(at + 6, length + 1)) == number(bytes, at, 4);
  return sound ? kHeaderBytes + length : 0;
}

std::size_t next_block(std::size_t at) { return (at / kBlockBytes + 1) * kBlockBytes; }

}  // namespace

std::optional<LogExtent> read_log_extent(const std::string& file) {
  std::error_code error;
  std::ifstream in(file, std::ios::binary);
  if (!in || !std::filesystem::is_regular_file(file, error)) return std::nullopt;
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (next_block(at) - at < kHeaderBytes) {
      at = next_block(at);
      continue;
    }
    const std::size_t size = record_at(bytes, at);
    if (size == 0) break;
    at += size;
  }
  LogExtent extent{.whole_bytes = std::min(at, bytes.size()), .file_bytes = bytes.size()};
  // Records begin anywhere in the block of one that is not whole, and at the beginning of each later block.
  for (std::size_t later = at + 1; later < bytes.size() && !extent.damaged;
       later = later < next_block(at) ? later + 1 : next_block(later)) {
    extent.damaged = record_at(bytes, later) > 0;
  }
  return extent;
}

std::optional<std::string> find_damaged_record(const std::string& file) {
  const auto extent = read_log_extent(file);
  if (!extent || !extent->damaged) return std::nullopt;
  return file + " is damaged: its record at byte " + std::to_string(extent->whole_bytes) + " is not whole";
}

}  // namespace cairn::storage
