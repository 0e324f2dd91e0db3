#include "features/geohash.h"

#include <algorithm>

#include "cairn/check.h"

namespace cairn::features {
namespace {

constexpr std::string_view kAlphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
constexpr int kLettersMax = 12;
constexpr int kBitsPerAxis = 30;
constexpr std::uint64_t kCells = std::uint64_t{1} << kBitsPerAxis;

// Which of 2^30 equal intervals of [-half_range, half_range) a coordinate is in; the upper end belongs to the last one.
// The bounds are exact in double (range / 2^30 times 30 bits), so that stepping from the rounded quotient to the
// interval that really holds the coordinate gives what halving the range 30 times gives, and what PostGIS's
// ST_GeoHash gives.
std::uint64_t interval(double degrees, double half_range) noexcept {
  const double width = 2.0 * half_range / static_cast<double>(kCells);
  const double quotient = (degrees + half_range) / width;
  if (!(quotient > 0.0)) return 0;
  auto cell = static_cast<std::uint64_t>(std::min(quotient, static_cast<double>(kCells - 1)));
  while (cell > 0 && degrees < static_cast<double>(cell) * width - half_range) --cell;
  while (cell + 1 < kCells && degrees >= static_cast<double>(cell + 1) * width - half_range) ++cell;
  return cell;
}

// Bit i of v to bit 2i.
std::uint64_t spread(std::uint64_t v) noexcept {
  v = (v | v << 16) & 0x0000FFFF0000FFFFu;
  v = (v | v << 8) & 0x00FF00FF00FF00FFu;
  v = (v | v << 4) & 0x0F0F0F0F0F0F0F0Fu;
  v = (v | v << 2) & 0x3333333333333333u;
  return (v | v << 1) & 0x5555555555555555u;
}

void check_letters(int letters) {
  CAIRN_CHECK_MSG(letters >= 1 && letters <= kLettersMax, std::to_string(letters) + " letters");
}

}  // namespace

std::uint64_t geohash_bits(GeoPoint position, int letters) {
  check_letters(letters);
  // Longitude has the odd bits and comes first, as in Niemeyer's definition. Fewer letters are a prefix: the high bits.
  const std::uint64_t all = spread(interval(position.lon, 180.0)) << 1 | spread(interval(position.lat, 90.0));
  return all >> (2 * kBitsPerAxis - 5 * letters);
}

std::string geohash_text(std::uint64_t bits, int letters) {
  check_letters(letters);
  std::string text(static_cast<std::size_t>(letters), '0');
  write_geohash(bits, text);
  return text;
}

void write_geohash(std::uint64_t bits, std::span<char> text) noexcept {
  for (auto letter = text.rbegin(); letter != text.rend(); ++letter, bits >>= 5) *letter = kAlphabet[bits & 31u];
}

GeoPoint geohash_center(std::uint64_t bits, int letters) {
  check_letters(letters);
  // Bits in turn: longitude first, from the highest on.
  double lat = -90.0;
  double lon = -180.0;
  double lat_span = 180.0;
  double lon_span = 360.0;
  for (int bit = 5 * letters - 1; bit >= 0; --bit) {
    const bool is_lon = (5 * letters - 1 - bit) % 2 == 0;
    double& span = is_lon ? lon_span : lat_span;
    span /= 2.0;
    if ((bits >> bit & 1u) != 0) (is_lon ? lon : lat) += span;
  }
  return {lat + lat_span / 2.0, lon + lon_span / 2.0};
}

std::optional<std::uint64_t> parse_geohash(std::string_view text) {
  if (text.empty() || text.size() > static_cast<std::size_t>(kLettersMax)) return std::nullopt;
  std::uint64_t bits = 0;
  for (const char letter : text) {
    const std::size_t digit = kAlphabet.find(letter);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | digit;
  }
  return bits;
}

}  // namespace cairn::features
