#include "features/dedup.h"

namespace cairn::features {
namespace {

constexpr std::size_t kPlainKeyBytesMax = 512;

/// FNV-1a, 128 bits (RFC 9923): offset basis and prime as published.
unsigned __int128 fnv1a_128(std::string_view bytes) noexcept {
  constexpr unsigned __int128 kPrime = (static_cast<unsigned __int128>(1) << 88) | 0x13B;
  unsigned __int128 hash = (static_cast<unsigned __int128>(0x6c62272e07bb0142ULL) << 64) | 0x62b821756295c58dULL;
  for (const char byte : bytes) {
    hash ^= static_cast<std::uint8_t>(byte);
    hash *= kPrime;
  }
  return hash;
}

std::string to_hex(unsigned __int128 value) {
  std::string hex(32, '0');
  for (auto digit = hex.rbegin(); digit != hex.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[static_cast<unsigned>(value & 0xF)];
  }
  return hex;
}

}  // namespace

std::string event_key(std::string_view event_id) {
  if (event_id.size() <= kPlainKeyBytesMax) return std::string(event_id);
  return "fnv1a128:" + std::to_string(event_id.size()) + ":" + to_hex(fnv1a_128(event_id));
}

DedupRule::Decision DedupRule::decide(std::span<const Interaction> interactions, SeenEventIds seen) const {
  Decision decision;
  decision.included.reserve(interactions.size());
  for (std::size_t i = 0; i < interactions.size(); ++i) {
    const Interaction& interaction = interactions[i];
    if (!interaction.event_id.empty()) {
      std::string key = event_key(interaction.event_id);
      const auto [begin, end] = seen.equal_range(key);
      const bool repeat = std::any_of(
          begin, end, [&](const auto& other) { return std::chrono::abs(interaction.time - other.second) <= window_; });
      if (repeat) continue;
      // Later interactions of this batch are compared with this one like with a stored one.
      seen.emplace(key, interaction.time);
      decision.new_ids.push_back({std::move(key), interaction.time});
    }
    decision.included.push_back(i);
  }
  return decision;
}

}  // namespace cairn::features
