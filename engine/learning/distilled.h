#pragma once

#include <cstddef>

#include "cairn/status.h"
#include "engine/learning/interactions.h"
#include "engine/model/model.h"
#include "gpu/progress.h"
#include "gpu/train/distil.h"

namespace cairn::learning {

// Two ways for a narrow model to learn from a better one.

/// Narrow vectors for the items of `interactions` that score, for the users there, like those of `teacher`. Items that
/// the teacher does not know score 0. A teacher that folds in gives a student that does, by the same objective; one
/// with history vectors a student with narrower ones. Returns: INVALID_ARGUMENT when the teacher is not one component
/// with vectors; what gpu::distil() returns.
[[nodiscard]] Result<model::Component> distilled(const model::Model& teacher, const Interactions& interactions,
                                                 const gpu::DistilOptions& options, const gpu::Progress& progress);

struct AdviceOptions {
  std::size_t items = 20;  ///< that the teacher ranks first for each user, of those the user did not have
  float weight = 1.0F;     ///< of each of them, finite and positive; an interaction of the user has its own
  std::size_t threads = 0;
};

/// The interactions, and beside them what the teacher ranks first for each of the users: training on both pulls the
/// student's ranking towards the teacher's where it matters, at the top. Any model can be the teacher. Items that one
/// side does not know are passed over; users without history get no advice.
/// Returns: what ItemRanker returns.
[[nodiscard]] Result<Interactions> with_advice(const model::Model& teacher, const Interactions& interactions,
                                               const AdviceOptions& options);

}  // namespace cairn::learning
