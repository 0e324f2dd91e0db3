#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace cairn::cache {

/// What an answer can be about. Something that happens to one of these makes the answers about it outdated.
enum class TagKind : std::uint8_t { kUser, kPlace, kCategory, kCell };

/// A version of each tag: how often something happened to it. What was made from a tag notes the version before it is
/// made, and is outdated when the version has moved on since.
///
/// Tags share a fixed number of counters by their hash. Two that share one are outdated together, which costs a
/// computation and is never wrong. So nothing grows with the number of tags, and no lock is taken.
///
/// Threads: any.
class TagVersions {
 public:
  static constexpr std::size_t kCounters = std::size_t{1} << 18;

  TagVersions() : counters_(std::make_unique<Counters>()) {}

  /// A tag's counter.
  using Slot = std::uint32_t;
  [[nodiscard]] static Slot slot_of(TagKind kind, std::string_view name) noexcept;

  /// A slot that was read from somewhere, within bounds.
  [[nodiscard]] static Slot bounded(Slot slot) noexcept { return slot & (kCounters - 1); }

  struct Seen {
    Slot slot = 0;
    std::uint32_t version = 0;
  };
  [[nodiscard]] Seen see(Slot slot) const noexcept {
    return {slot, (*counters_)[slot].load(std::memory_order_acquire)};
  }
  [[nodiscard]] bool moved(const Seen& seen) const noexcept { return see(seen.slot).version != seen.version; }
  /// Whatever was made from the tag before is outdated from here on.
  void move(Slot slot) noexcept { (*counters_)[slot].fetch_add(1, std::memory_order_release); }

 private:
  using Counters = std::array<std::atomic<std::uint32_t>, kCounters>;

  std::unique_ptr<Counters> counters_;
};

}  // namespace cairn::cache
