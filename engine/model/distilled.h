#pragma once

#include "cairn/status.h"
#include "engine/model/interactions.h"
#include "engine/model/model.h"
#include "gpu/train/distil.h"
#include "gpu/train/progress.h"

namespace cairn::model {

/// Narrow vectors for the items of `interactions` that score, for the users there, like those of `teacher`. Items that
/// the teacher does not know score 0. A teacher that folds in gives a student that does, by the same objective; one
/// with history vectors a student with narrower ones. Returns: INVALID_ARGUMENT when the teacher is not one component
/// with vectors; what gpu::distil() returns.
[[nodiscard]] Result<Component> distilled(const Model& teacher, const Interactions& interactions,
                                          const gpu::DistilOptions& options, const gpu::Progress& progress);

}  // namespace cairn::model
