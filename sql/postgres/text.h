#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/geo.h"

namespace cairn::sql {

// How values are written to PostgreSQL as text, exactly: what is read back has the same bits.

/// "2024-02-29 23:59:59.999+00". Requires: kTimeMin <= time <= kTimeMax (sql/batch.h).
[[nodiscard]] std::string time_text(EventTime time);

/// The shortest text that reads back as the same double.
[[nodiscard]] std::string double_text(double value);

/// Hexadecimal EWKB of a point with SRID 4326, which the geography type reads.
[[nodiscard]] std::string geography_text(GeoPoint point);

/// Millionths as a decimal: -1500000 is "-1.500000".
[[nodiscard]] std::string micros_text(__int128 micros);

/// bytea's input: "\x6162".
[[nodiscard]] std::string bytea_text(std::string_view bytes);

/// uuid's input: 32 hexadecimal digits, the high half first.
[[nodiscard]] std::string uuid_text(std::uint64_t high, std::uint64_t low);

/// An array literal of any element type: every element quoted.
[[nodiscard]] std::string array_text(std::span<const std::string> elements);

}  // namespace cairn::sql
