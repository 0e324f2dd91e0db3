#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/backend.h"

namespace cairn::gpu::cuda {

/// What the program and libcairn_cuda.so have to agree on: they exchange C++ objects, so both must have been compiled
/// from the same headers by the same compiler. CMake puts a hash of these together; without it no library fits.
#if defined(CAIRN_CUDA_BUILD_ID)
inline constexpr const char* kBuildId = CAIRN_CUDA_BUILD_ID;
#else
inline constexpr const char* kBuildId = "";
#endif

/// Names of the functions that the library exports.
inline constexpr const char* kBuildIdSymbol = "cairn_cuda_build_id";
inline constexpr const char* kOpenSymbol = "cairn_cuda_open";

/// Where the library says why it has no backend.
struct OpenError {
  std::uint8_t code = 0;  ///< a StatusCode
  char text[512] = {};    ///< ends with 0
};

using BuildIdFunction = const char*();
/// A backend that the caller owns, or null and an error.
using OpenFunction = Backend*(int device, std::size_t memory_max_bytes, OpenError* error);

}  // namespace cairn::gpu::cuda
