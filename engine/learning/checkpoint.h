#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "engine/learning/interactions.h"
#include "gpu/train/ials.h"

namespace cairn::learning {

/// Where a training stands between epochs.
struct Checkpoint {
  gpu::IalsFactors factors = {};
  std::size_t epochs_done = 0;
};

/// Tells a training from others: a hash of the interactions, ids included, and of `parameters`.
[[nodiscard]] std::string training_fingerprint(const Interactions& interactions, const std::string& parameters);

/// Keeps the checkpoint in `folder`, which is created when absent, in place of the one before: a reader finds one or
/// the other, also after a crash. Returns: UNAVAILABLE, RESOURCE_EXHAUSTED.
[[nodiscard]] Status save_checkpoint(const std::string& folder, const std::string& fingerprint,
                                     const gpu::IalsFactors& factors, std::size_t epochs_done);

/// Returns: nullopt when there is none, or it is of a training with another fingerprint; INVALID_ARGUMENT when it is
/// damaged.
[[nodiscard]] Result<std::optional<Checkpoint>> load_checkpoint(const std::string& folder,
                                                                const std::string& fingerprint);

/// Removes the checkpoint, and the folder if nothing else is in it.
void remove_checkpoint(const std::string& folder);

}  // namespace cairn::learning
