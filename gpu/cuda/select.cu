#include "gpu/cuda/kernels.h"
#include "gpu/cuda/rows.h"
#include "gpu/cuda/selection.h"
#include "gpu/cuda/simt.h"

// From candidates to answers: a block for each slot, except for the scores.

namespace cairn::gpu::cuda {
namespace {

constexpr std::uint32_t kSelectThreads = 512;
constexpr std::uint32_t kSortMax = 2048;  // keys that are sorted in shared memory; at least twice kTopKMax
constexpr std::uint32_t kNanBits = 0x7FC00000U;
static_assert(kSortMax >= 2 * kTopKMax);

/// Grid: one block a slot.
CAIRN_KERNEL void raise_thresholds_kernel(PassArgs pass, std::uint32_t sample_count) {
  CAIRN_SHARED Selection<std::uint32_t> selection;
  const std::uint32_t slot = block_x();
  const float* samples = pass.samples + static_cast<std::size_t>(slot) * pass.sample_stride;
  const FilterArgs& filter = pass.filters[pass.slots[slot].filter];
  const std::uint32_t rank = excluded_may_be_samples(filter, pass.k) ? pass.k + filter.excluded_count : pass.k;
  if (rank > sample_count) return;
  // Each sample is a lower bound of the score of another row, one a tile: so many rows reach the largest samples.
  const std::uint32_t kth =
      kth_largest(selection, sample_count, rank, [&](std::uint32_t i) { return order_of(samples[i]); });
  if (thread_index() == 0) pass.thresholds[slot] = fmaxf(pass.thresholds[slot], value_of(kth));
}

/// Keeps the candidates that fewer than k others are surely better than. Grid: one block a slot.
CAIRN_KERNEL void keep_kernel(PassArgs pass) {
  CAIRN_SHARED Selection<std::uint32_t> selection;
  CAIRN_SHARED std::uint32_t kept;
  const std::uint32_t slot = block_x();
  const std::size_t first = static_cast<std::size_t>(slot) * pass.capacity;
  const float* lower = pass.candidate_lower + first;
  const std::uint32_t found = pass.counts[slot];
  const std::uint32_t count = found < pass.capacity ? found : pass.capacity;
  // Candidates without room are missing here. The slot then counts as overflowed and is answered by another pass, to
  // which the k-th score of those that are here is a valid threshold.
  float threshold = -kInfinity;
  if (count > pass.k) {
    threshold = value_of(kth_largest(selection, count, pass.k, [&](std::uint32_t i) { return order_of(lower[i]); }));
  }
  if (thread_index() == 0) kept = 0;
  sync_block();
  for (std::uint32_t i = thread_index(); i < count; i += block_threads()) {
    if (pass.candidate_upper[first + i] < threshold) continue;
    pass.kept_rows[first + atomic_add(&kept, 1)] = pass.candidate_rows[first + i];
  }
  sync_block();
  if (thread_index() == 0) pass.kept_counts[slot] = kept;
}

constexpr std::uint32_t kScoreThreads = 128;

CAIRN_DEVICE float exact_score(const MatrixArgs& matrix, const FilterArgs& filter, const float* query,
                               std::uint32_t row) {
  const float sum = exact_sum(matrix, query, row);
  return filter.bias != nullptr ? sum + filter.bias[row] : sum;
}

/// Grid: parts of the kept rows; slots.
CAIRN_KERNEL void score_kernel(MatrixArgs matrix, PassArgs pass) {
  const std::uint32_t slot = block_y();
  const std::size_t first = static_cast<std::size_t>(slot) * pass.capacity;
  const float* query = pass.queries + static_cast<std::size_t>(pass.slots[slot].query) * pass.dim;
  const FilterArgs& filter = pass.filters[pass.slots[slot].filter];
  const std::uint32_t count = pass.kept_counts[slot];
  for (std::uint32_t i = block_x() * block_threads() + thread_index(); i < count; i += grid_x() * block_threads()) {
    const std::uint32_t row = pass.kept_rows[first + i];
    pass.keys[first + i] = key_of(exact_score(matrix, filter, query, row), row);
  }
}

/// Sorts 2^n keys, the largest first (Batcher's bitonic sort).
CAIRN_DEVICE void sort_keys(std::uint64_t* keys, std::uint32_t size) {
  for (std::uint32_t run = 2; run <= size; run *= 2) {
    for (std::uint32_t distance = run / 2; distance > 0; distance /= 2) {
      sync_block();
      for (std::uint32_t pair = thread_index(); pair < size / 2; pair += block_threads()) {
        const std::uint32_t low = pair / distance * distance * 2 + pair % distance;
        const std::uint32_t high = low + distance;
        const bool descending = (low & run) == 0;
        const std::uint64_t a = keys[low];
        const std::uint64_t b = keys[high];
        if ((a < b) == descending) {
          keys[low] = b;
          keys[high] = a;
        }
      }
    }
  }
  sync_block();
}

/// Grid: one block a slot.
CAIRN_KERNEL void sort_kernel(MatrixArgs matrix, PassArgs pass) {
  CAIRN_SHARED Selection<std::uint64_t> selection;
  CAIRN_SHARED std::uint64_t sorted[kSortMax];
  CAIRN_SHARED std::uint32_t taken;
  const std::uint32_t slot = block_x();
  const std::uint64_t* keys = pass.keys + static_cast<std::size_t>(slot) * pass.capacity;
  const std::uint32_t count = pass.kept_counts[slot];

  // What is sorted has to fit shared memory. No two keys but 0 are equal, as each holds its row, so exactly k reach the
  // k-th, or fewer than k rows have a score.
  std::uint64_t least = 1;  // rows whose score is NaN have key 0
  if (count > kSortMax) {
    const std::uint64_t kth = kth_largest(selection, count, pass.k, [&](std::uint32_t i) { return keys[i]; });
    if (kth > least) least = kth;
  }
  if (thread_index() == 0) taken = 0;
  sync_block();
  for (std::uint32_t i = thread_index(); i < count; i += block_threads()) {
    // The order of arrival is open, but keys that all differ have only one sorted order.
    if (keys[i] >= least) sorted[atomic_add(&taken, 1)] = keys[i];
  }
  sync_block();
  // The sort takes a power of two: key 0, which is the worst, fills up.
  const std::uint32_t found = taken < pass.k ? taken : pass.k;
  std::uint32_t size = 2;
  while (size < taken) size *= 2;
  for (std::uint32_t i = taken + thread_index(); i < size; i += block_threads()) sorted[i] = 0;
  sort_keys(sorted, size);

  const float* query = pass.queries + static_cast<std::size_t>(pass.slots[slot].query) * pass.dim;
  const FilterArgs& filter = pass.filters[pass.slots[slot].filter];
  for (std::uint32_t i = thread_index(); i < pass.k; i += block_threads()) {
    const std::size_t place = static_cast<std::size_t>(slot) * pass.k + i;
    const std::uint32_t row = i < found ? row_of(sorted[i]) : kNoRow;
    float score = i < found ? score_of(sorted[i]) : float_of(kNanBits);
    // Keys do not keep the sign of a zero.
    if (score == 0.0F) score = exact_score(matrix, filter, query, row);
    pass.result_rows[place] = row;
    pass.result_scores[place] = score;
  }
  if (thread_index() == 0) {
    SlotResult result;
    result.found = found;
    result.scored = count;
    result.overflowed = pass.counts[slot] > pass.capacity ? 1 : 0;
    result.unbounded = pass.unbounded[slot];
    result.threshold = found == pass.k ? score_of(sorted[pass.k - 1]) : -kInfinity;
    pass.results[slot] = result;
  }
}

/// Grid: one block a slot.
CAIRN_KERNEL void reseed_kernel(PassArgs pass) {
  const std::uint32_t slot = block_x();
  const std::size_t first = static_cast<std::size_t>(slot) * pass.capacity;
  const std::uint32_t found = pass.results[slot].found;
  for (std::uint32_t i = thread_index(); i < found; i += block_threads()) {
    const std::size_t place = static_cast<std::size_t>(slot) * pass.k + i;
    pass.candidate_rows[first + i] = pass.result_rows[place];
    pass.candidate_lower[first + i] = pass.result_scores[place];
    pass.candidate_upper[first + i] = pass.result_scores[place];
  }
  // The next piece of the matrix adds its candidates behind these, and only those that reach the k-th score so far.
  if (thread_index() == 0) {
    pass.counts[slot] = found;
    pass.thresholds[slot] = pass.results[slot].threshold;
  }
}

}  // namespace

void launch_raise_thresholds(Stream& stream, const PassArgs& pass, std::uint32_t sample_count) {
  if (sample_count < pass.k) return;
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &raise_thresholds_kernel, pass, sample_count);
}

void launch_finish(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass) {
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &keep_kernel, pass);
  // Few slots are spread over the device; many fill it by themselves.
  const std::uint32_t room = ceil_divide(pass.capacity, kScoreThreads);
  const std::uint32_t parts = ceil_divide(4 * traits.multiprocessors, pass.slot_count) + 3;
  launch(stream, parts < room ? parts : room, pass.slot_count, kScoreThreads, 0, &score_kernel, matrix, pass);
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &sort_kernel, matrix, pass);
}

void launch_reseed(Stream& stream, const PassArgs& pass) {
  launch(stream, pass.slot_count, 1, kSelectThreads, 0, &reseed_kernel, pass);
}

}  // namespace cairn::gpu::cuda
