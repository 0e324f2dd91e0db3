#include "features/checksum.h"

#include <doctest/doctest.h>

#include <numeric>
#include <string>

using cairn::features::crc32c;
using cairn::features::crc32c_portable;

TEST_CASE("CRC-32C gives the values that RFC 3720 prints") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  CHECK(crc32c(ascending) == 0x46DD794Eu);
  CHECK(crc32c(std::string(ascending.rbegin(), ascending.rend())) == 0x113FDB5Cu);
}

TEST_CASE("CRC-32C of the catalogue's check string, and of nothing") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c("") == 0u);
}

TEST_CASE("CRC-32C of every length agrees with the definition, bit by bit") {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    std::uint32_t crc = ~0u;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82F63B78u : 0u);
    }
    CHECK(crc32c(bytes) == ~crc);
    CHECK(crc32c_portable(bytes) == ~crc);
    bytes.push_back(static_cast<char>(i * 37 + 11));
  }
}
