#pragma once

#include <cstddef>
#include <cstdint>

#include "cairn/status.h"
#include "engine/learning/interactions.h"
#include "engine/model/model.h"
#include "gpu/progress.h"

namespace cairn::learning {

struct SegmentOptions {
  std::size_t count = 16;  ///< at most model::kSegmentsMax
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: all processors
};

/// Groups the users of `interactions` by taste, for answers to somebody unknown: by the directions of the vectors that
/// `model` asks with for their histories (k-means, at most 50 iterations), so that how much somebody did matters less
/// than what. A segment's vector is the mean of its users' vectors, and the segment with the most users comes first.
/// Users without history are of none, and there may be fewer segments than asked for.
///
/// The same for any number of threads.
/// Requires: the model's items are those of `interactions`, in their order.
/// Returns: INVALID_ARGUMENT where the model is not one component with vectors and without normalization, and for a
/// count out of range; what ItemRanker and gpu::k_means() return.
[[nodiscard]] Result<model::Segments> segments_of(const model::Model& model, const Interactions& interactions,
                                                  const SegmentOptions& options, const gpu::Progress& progress);

}  // namespace cairn::learning
