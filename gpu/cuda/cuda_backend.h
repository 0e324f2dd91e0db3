#pragma once

#include <cstddef>
#include <memory>

#include "gpu/backend.h"

namespace cairn::gpu::cuda {

/// The backend of one device, by whatever device.h is implemented with.
/// Returns: UNAVAILABLE when there is no driver or no device it can use.
[[nodiscard]] Result<std::unique_ptr<Backend>> make_cuda_backend(int device, std::size_t memory_max_bytes);

}  // namespace cairn::gpu::cuda
