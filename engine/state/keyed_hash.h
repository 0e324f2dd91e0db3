#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string_view>

namespace cairn::state {

/// 128 bits that stand for a text, or a secret.
struct Bits128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend auto operator<=>(const Bits128&, const Bits128&) = default;
};

/// SipHash-2-4 with an output of 128 bits (Aumasson and Bernstein, INDOCRYPT 2012, and their reference code): without
/// the key nobody can tell what text a hash is of. Some 20 ns for an id.
[[nodiscard]] Bits128 keyed_hash(const Bits128& key, std::string_view text) noexcept;

}  // namespace cairn::state

template <>
struct std::hash<cairn::state::Bits128> {
  std::size_t operator()(const cairn::state::Bits128& bits) const noexcept { return bits.low; }
};
