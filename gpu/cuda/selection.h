#pragma once

#include <cstdint>

#include "gpu/cuda/rows.h"
#include "gpu/cuda/simt.h"

// The k-th largest of many keys, by a block.

namespace cairn::gpu::cuda {

inline constexpr std::uint32_t kBins = 256;

/// Shared by a block that selects.
template <class Key>
struct Selection {
  std::uint32_t bins[kBins];
  Key prefix;               ///< the bits of the k-th largest key that are known
  std::uint32_t remaining;  ///< how many keys with this prefix are among the k largest
};

/// The first warp finds the bin that holds the `remaining`-th largest of the counted keys. Lane l looks after the bins
/// 255 - 8l down to 248 - 8l.
template <class Key>
CAIRN_DEVICE void choose_bin(Selection<Key>& selection, std::uint32_t shift) {
  // Lane by lane the bins descend, so the keys in bins above a lane's own are those of the lanes before it.
  constexpr std::uint32_t kBinsOfLane = kBins / 32;
  const std::uint32_t lane = thread_index();
  const std::uint32_t top = kBins - 1 - lane * kBinsOfLane;
  const std::uint32_t remaining = selection.remaining;
  sync_warp();  // read by all before one writes it
  std::uint32_t own = 0;
  for (std::uint32_t i = 0; i < kBinsOfLane; ++i) own += selection.bins[top - i];
  std::uint32_t suffix = own;  // of this lane and those after it, whose bins are lower
  for (int lanes = 1; lanes < 32; lanes *= 2) {
    const std::uint32_t other = shuffle_down(suffix, lanes);
    if (lane + static_cast<std::uint32_t>(lanes) < 32) suffix += other;
  }
  std::uint32_t above = warp_sum(own) - suffix;
  for (std::uint32_t i = 0; i < kBinsOfLane; ++i) {
    const std::uint32_t count = selection.bins[top - i];
    // True of exactly one bin of one lane, which is the only writer.
    if (above < remaining && remaining <= above + count) {
      selection.prefix |= static_cast<Key>(top - i) << shift;
      selection.remaining = remaining - above;
    }
    above += count;
  }
}

/// The k-th largest of the keys read(0) … read(count - 1), for the whole block. Requires: 1 <= k <= count.
template <class Key, class Read>
CAIRN_DEVICE Key kth_largest(Selection<Key>& selection, std::uint32_t count, std::uint32_t k, const Read& read) {
  // A radix selection: eight bits a round, from the highest. Each round counts the keys that agree with the bits found
  // so far, and the bin that holds the k-th of them gives the next eight.
  sync_block();
  if (thread_index() == 0) {
    selection.prefix = 0;
    selection.remaining = k;
  }
  for (std::uint32_t shift = sizeof(Key) * 8; shift > 0;) {
    shift -= 8;
    for (std::uint32_t bin = thread_index(); bin < kBins; bin += block_threads()) selection.bins[bin] = 0;
    sync_block();
    const Key prefix = selection.prefix;
    for (std::uint32_t i = thread_index(); i < count; i += block_threads()) {
      const Key key = read(i);
      // In the first round nothing is known, and a shift by the key's whole width is undefined.
      const bool same = shift + 8 == sizeof(Key) * 8 || (key >> (shift + 8)) == (prefix >> (shift + 8));
      if (same) atomic_add(&selection.bins[(key >> shift) & (kBins - 1)], 1);
    }
    sync_block();
    if (thread_index() < 32) choose_bin(selection, shift);
    sync_block();
  }
  return selection.prefix;
}

}  // namespace cairn::gpu::cuda
