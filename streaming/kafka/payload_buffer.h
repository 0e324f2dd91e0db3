#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "streaming/source.h"

namespace cairn::streaming::kafka {

/// The bytes of one batch's payloads, each followed by kPayloadPadding readable bytes: librdkafka's own have none, so
/// they are copied. What reserve() returned stays in place until clear(), which keeps the memory for the next batch.
class PayloadBuffer {
 public:
  void clear() noexcept {
    used_blocks_ = 0;
    bytes_ = 0;
  }

  /// Bytes reserved since clear().
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// Room for `bytes` bytes, and zeros after them. Payloads may lie in it back to back: one is the other's padding.
  [[nodiscard]] char* reserve(std::size_t bytes) {
    if (used_blocks_ == blocks_.size()) blocks_.emplace_back();
    Block& block = blocks_[used_blocks_++];
    if (block.capacity < bytes + kPayloadPadding) {
      block.capacity = std::max(bytes + kPayloadPadding, kBlockBytesMin);
      block.bytes = std::make_unique_for_overwrite<char[]>(block.capacity);
    }
    std::memset(block.bytes.get() + bytes, 0, kPayloadPadding);
    bytes_ += bytes;
    return block.bytes.get();
  }

 private:
  static constexpr std::size_t kBlockBytesMin = 64 * 1024;

  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t capacity = 0;
  };

  std::vector<Block> blocks_;
  std::size_t used_blocks_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace cairn::streaming::kafka
