#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/feature_view.h"

namespace cairn::features {

/// Memory of entries as they are served, and of their texts, taken in large pieces: an answer has thousands of them.
/// Texts that lie elsewhere are kept there. Nothing is given back before all of it is. Threads: one.
class FeatureArena {
 public:
  FeatureArena() = default;
  FeatureArena(const FeatureArena&) = delete;
  FeatureArena& operator=(const FeatureArena&) = delete;

  /// Room for `n` entries, which are still to be made.
  [[nodiscard]] FeatureEntry* room_for(std::size_t n) {
    const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(at_) % alignof(FeatureEntry);
    if (misaligned != 0) at_ += std::min(alignof(FeatureEntry) - misaligned, left());
    return reinterpret_cast<FeatureEntry*>(take(n * sizeof(FeatureEntry)));
  }

  [[nodiscard]] std::span<char> room_for_text(std::size_t bytes) { return {take(bytes), bytes}; }
  [[nodiscard]] std::string_view copy(std::string_view text) {
    char* const to = take(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /// Entries refer to what is in `memory`.
  void keep(const std::shared_ptr<const void>& memory) {
    if (std::find(kept_.begin(), kept_.end(), memory) == kept_.end()) kept_.push_back(memory);
  }

 private:
  static constexpr std::size_t kPieceBytes = 32 * 1024;

  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  char* take(std::size_t bytes) {
    if (bytes > left()) {
      const std::size_t piece = std::max(kPieceBytes, bytes);
      at_ = pieces_.emplace_back(new char[piece]).get();
      end_ = at_ + piece;
    }
    char* const taken = at_;
    at_ += bytes;
    return taken;
  }

  std::vector<std::unique_ptr<char[]>> pieces_;
  std::vector<std::shared_ptr<const void>> kept_;  ///< few
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace cairn::features
