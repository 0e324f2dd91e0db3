#pragma once

#include "gpu/dense_algebra.h"

namespace cairn::gpu {

/// gemm by OpenBLAS, on the calling thread alone. Only in builds that found it (CAIRN_GPU_OPENBLAS).
/// Requires: sizes and strides below 2^31.
void openblas_gemm(const GemmCall& call);

}  // namespace cairn::gpu
