#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

/// Quantities as people write them. Every one carries its unit: a bare number is refused, because the reader of the
/// file cannot tell what it counts. parse_* return INVALID_ARGUMENT with what would be right; format_* write the
/// shortest text that parse_* reads back to the same value.
namespace cairn::config {

/// "20ms" "30s" "5m" "12h" "30d": whole numbers, in milliseconds.
[[nodiscard]] Result<std::int64_t> parse_duration_ms(std::string_view text);
[[nodiscard]] std::string format_duration_ms(std::int64_t ms);

/// "512B" "64KiB" "64MiB" "1GB": whole numbers, in bytes. KB, MB, GB, TB are powers of 1000, KiB to TiB of 1024.
[[nodiscard]] Result<std::int64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::int64_t bytes);

/// "800m" "2.5km": in meters.
[[nodiscard]] Result<double> parse_distance(std::string_view text);
[[nodiscard]] std::string format_distance(double meters);

/// "2000-01-01".
[[nodiscard]] Result<std::chrono::sys_days> parse_day(std::string_view text);
[[nodiscard]] std::string format_day(std::chrono::sys_days day);

/// Shortest decimal text that reads back as the same double.
[[nodiscard]] std::string format_number(double number);

/// Where to listen: "127.0.0.1:7077", "[::1]:7077", "localhost:7077" (which is 127.0.0.1).
struct ListenAddress {
  std::string address;  ///< numeric
  std::uint16_t port = 0;
  [[nodiscard]] bool loopback() const;
};
[[nodiscard]] Result<ListenAddress> parse_listen(std::string_view text);
[[nodiscard]] std::string format_listen(const ListenAddress& listen);

}  // namespace cairn::config
