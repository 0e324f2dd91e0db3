#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace cairn::model {

/// 64 bits by which contents are told apart, the same on every machine. No defence against somebody who looks for two
/// contents of one digest. It depends on how the bytes are cut into calls of add().
class Digest {
 public:
  void add(std::uint64_t word) noexcept {
    // The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one to one, so that no step forgets anything.
    std::uint64_t z = (state_ ^ word) + 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    state_ = z ^ (z >> 31);
  }

  void add(std::span<const std::byte> bytes) noexcept {
    static_assert(std::endian::native == std::endian::little, "words are read where they lie");
    add(bytes.size());  // so that zeros at the end count
    while (!bytes.empty()) {
      std::uint64_t word = 0;
      const std::size_t taken = bytes.size() < sizeof word ? bytes.size() : sizeof word;
      std::memcpy(&word, bytes.data(), taken);
      add(word);
      bytes = bytes.subspan(taken);
    }
  }

  [[nodiscard]] std::uint64_t value() const noexcept { return state_; }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace cairn::model
