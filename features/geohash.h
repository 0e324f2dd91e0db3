#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cairn/geo.h"

namespace cairn::features {

/// A geohash (Niemeyer, 2008) of 1 to 12 base-32 letters as the low 5 * letters bits.
[[nodiscard]] std::uint64_t geohash_bits(GeoPoint position, int letters);
[[nodiscard]] std::string geohash_text(std::uint64_t bits, int letters);
/// The same into `text`, as many letters as it has. Requires: 1 to 12.
void write_geohash(std::uint64_t bits, std::span<char> text) noexcept;
/// The middle of a cell. Lies in it, far from its edges.
[[nodiscard]] GeoPoint geohash_center(std::uint64_t bits, int letters);
/// Returns: nullopt for anything that is not 1 to 12 letters of geohash's alphabet.
[[nodiscard]] std::optional<std::uint64_t> parse_geohash(std::string_view text);

}  // namespace cairn::features
