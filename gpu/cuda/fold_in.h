#pragma once

#include <memory>

#include "gpu/cuda/context.h"
#include "gpu/fold_in.h"

namespace cairn::gpu::cuda {

/// Returns: as Backend::make_fold_in.
[[nodiscard]] Result<std::unique_ptr<FoldIn>> make_cuda_fold_in(std::shared_ptr<Context> context, MatrixView items,
                                                                const FoldInOptions& options);

}  // namespace cairn::gpu::cuda
