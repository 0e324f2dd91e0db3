#include "engine/ranking/retrieve/page_cursor.h"

#include "features/bytes.h"

namespace cairn::ranking {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::uint32_t checksum(std::string_view state, std::string_view places) {
  return features::crc32c(std::string(state) + '\0' + std::string(places));
}

/// The bytes that hexadecimal digits spell; nothing for what is none.
std::string bytes_of(std::string_view digits) {
  std::string bytes;
  if (digits.size() % 2 != 0) return bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const std::size_t high = kDigits.find(digits[i]);
    const std::size_t low = kDigits.find(digits[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return {};
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

std::string make_cursor(std::string_view state, std::span<const std::uint64_t> places) {
  std::string bytes;
  std::uint64_t before = 0;
  for (const std::uint64_t place : places) {
    features::put_varint(place - before, &bytes);
    before = place;
  }
  features::put_fixed(checksum(state, bytes), &bytes);
  std::string digits;
  for (const char byte : bytes) {
    digits.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
    digits.push_back(kDigits[static_cast<unsigned char>(byte) & 15u]);
  }
  return digits;
}

Result<std::vector<std::uint64_t>> read_cursor(std::string_view state, std::string_view cursor) {
  const auto bad = [] {
    return invalid_argument("cursor is none that this engine gave; leave it out to begin with the first page");
  };
  const std::string bytes = bytes_of(cursor);
  if (bytes.size() < features::kTrailerBytes) return bad();
  const std::string_view body = std::string_view(bytes).substr(0, bytes.size() - features::kTrailerBytes);
  features::ByteReader sum(std::string_view(bytes).substr(body.size()));
  if (sum.fixed<std::uint32_t>() != checksum(state, body)) return bad();
  // A checksum can be forged: nothing is taken on trust.
  std::vector<std::uint64_t> places;
  features::ByteReader reader(body);
  while (reader.ok() && reader.left() > 0 && places.size() < kCursorPlacesMax) {
    places.push_back((places.empty() ? 0 : places.back()) + reader.varint());
    if (places.size() > 1 && places.back() <= places[places.size() - 2]) return bad();
  }
  if (!reader.finished()) return bad();
  return places;
}

}  // namespace cairn::ranking
