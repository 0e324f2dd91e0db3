#include "engine/state/keyed_hash.h"

#include <bit>
#include <cstddef>

namespace cairn::state {

namespace {

/// The four words that each round mixes.
struct Mix {
  std::uint64_t v0;
  std::uint64_t v1;
  std::uint64_t v2;
  std::uint64_t v3;

  void rounds(int count) noexcept {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }

  void take(std::uint64_t word) noexcept {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }

  [[nodiscard]] std::uint64_t all() const noexcept { return v0 ^ v1 ^ v2 ^ v3; }
};

/// Up to eight bytes, the first the lowest.
std::uint64_t word_of(std::string_view bytes) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return word;
}

}  // namespace

Bits128 keyed_hash(const Bits128& key, std::string_view text) noexcept {
  Mix mix{key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d ^ 0xee, key.low ^ 0x6c7967656e657261,
          key.high ^ 0x7465646279746573};
  const std::uint64_t length = static_cast<std::uint64_t>(text.size()) << 56;
  for (; text.size() >= 8; text.remove_prefix(8)) mix.take(word_of(text.substr(0, 8)));
  mix.take(length | word_of(text));
  mix.v2 ^= 0xee;
  mix.rounds(4);
  const std::uint64_t low = mix.all();
  mix.v1 ^= 0xdd;
  mix.rounds(4);
  return {low, mix.all()};
}

}  // namespace cairn::state
