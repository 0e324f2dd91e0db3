#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/state_store.h"

namespace cairn::storage {

/// A counter as the toy merge function reads it: eight bytes, little-endian. Anything else makes no sense.
inline std::string counter(std::uint64_t value) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

inline std::optional<std::uint64_t> read_counter(std::string_view bytes) {
  if (bytes.size() != 8) return std::nullopt;
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

/// Adds counters; leaves out what is none.
inline std::size_t add_counters(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                                std::string* merged) {
  const bool from_nothing = !base || base->empty();
  if (!from_nothing && !read_counter(*base)) {
    merged->assign(*base);
    return operands.size();
  }
  std::uint64_t sum = from_nothing ? 0 : *read_counter(*base);
  std::size_t left_out = 0;
  for (const std::string_view operand : operands) {
    if (const auto value = read_counter(operand)) {
      sum += *value;
    } else {
      ++left_out;
    }
  }
  if (!from_nothing || left_out < operands.size()) *merged = counter(sum);
  return left_out;
}

/// Options of a small store that leaves the disk alone.
inline StateStoreOptions small_options(const std::string& path) {
  return {.path = path,
          .merge = add_counters,
          .trim = {},
          .block_cache_bytes = 1u << 20,
          .memtable_bytes = 1u << 20,
          .free_bytes_min = 1u << 20,
          .log = {}};
}

}  // namespace cairn::storage
