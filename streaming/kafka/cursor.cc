#include "streaming/kafka/cursor.h"

#include <charconv>

namespace cairn::streaming::kafka {
namespace {

constexpr std::string_view kVersion = "1 ";

}  // namespace

std::string encode_cursor(std::int32_t partitions) { return std::string(kVersion) + std::to_string(partitions); }

Result<std::int32_t> decode_cursor(const std::string& text, std::string_view where) {
  if (text.empty()) return 0;
  std::int32_t partitions = 0;
  if (text.starts_with(kVersion)) {
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + kVersion.size(), end, partitions);
    // One spelling: from_chars takes zeros before the number.
    if (read.ec == std::errc() && partitions > 0 && encode_cursor(partitions) == text) return partitions;
  }
  return invalid_argument(std::string(where) + "the stored position is no position of a Kafka source: '" +
                          text.substr(0, 128) + "'");
}

}  // namespace cairn::streaming::kafka
