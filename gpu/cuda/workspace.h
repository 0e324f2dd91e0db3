#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "gpu/cuda/device.h"
#include "gpu/cuda/kernels.h"

namespace cairn::gpu::cuda {

/// Two runs of a pass with equal shapes do the same work on the same memory, so one can replay the other's graph.
struct PassShape {
  std::uint64_t matrix = 0;  ///< Context::next_id()
  std::uint32_t queries = 0;
  std::uint32_t slots = 0;
  std::uint32_t filters = 0;
  std::uint32_t k = 0;
  std::uint32_t filtered = 0;
  std::uint32_t biased = 0;
  std::uint32_t exact = 0;
  std::uint32_t sampled = 0;

  friend bool operator==(const PassShape&, const PassShape&) = default;
};

/// Memory and a stream for one call at a time; what it holds grows to what the largest call needed. Threads: one.
class Workspace {
 public:
  explicit Workspace(Stream made) noexcept : stream(std::move(made)) {}

  Stream stream;

  // In: what a pass is given, copied to the device together.
  PinnedArray<unsigned char> host_input;
  DeviceArray<unsigned char> input;
  PinnedArray<unsigned char> host_filter_data;
  DeviceArray<unsigned char> filter_data;
  // Out: what it found, copied back together.
  DeviceArray<unsigned char> output;
  PinnedArray<unsigned char> host_output;
  // In between.
  DeviceArray<unsigned char> query_codes;
  DeviceArray<unsigned char> slot_state;
  DeviceArray<float> samples;
  DeviceArray<unsigned char> candidates;
  // Of the fused scan, which is not recorded.
  DeviceArray<std::uint32_t> scan_words;

  /// Does `record`'s work on the stream: as a graph when this shape has come often enough. `record` only gives the
  /// stream work, with arguments that the shape and this workspace's memory determine.
  /// Returns: what recording returned.
  [[nodiscard]] Status run(const PassShape& shape, const std::function<void(Stream&)>& record);
  /// To be called after any of the arrays may have grown: graphs hold where they were.
  void forget_moved_graphs();

 private:
  struct Entry {
    PassShape shape;
    std::uint32_t runs = 0;
    std::vector<Graph> graph = {};  ///< none or one
  };

  [[nodiscard]] std::vector<const void*> places() const;
  [[nodiscard]] Entry& entry_of(const PassShape& shape);

  std::vector<Entry> entries_;  ///< the latest used last
  std::vector<const void*> places_;
};

}  // namespace cairn::gpu::cuda
