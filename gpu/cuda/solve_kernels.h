#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/cuda/device.h"
#include "gpu/cuda/layout.h"

// Gram matrices and small positive definite systems, in double precision. Symmetric matrices are kept as their lower
// triangle, row after row: (i, j), j <= i, at i (i + 1) / 2 + j. All pointers are to device memory.

namespace cairn::gpu::cuda {

CAIRN_HOST_DEVICE constexpr std::size_t triangle_size(std::size_t dim) { return dim * (dim + 1) / 2; }
CAIRN_HOST_DEVICE constexpr std::size_t triangle_place(std::size_t i, std::size_t j) { return triangle_size(i) + j; }

/// Rows of items are summed in so many parts, whatever the device, so that the sum is the same everywhere.
inline constexpr std::uint32_t kGramParts = 64;

/// gram = items^T items. `parts` has kGramParts × triangle_size(dim) values of scratch.
void launch_gram(Stream& stream, const float* items, std::uint32_t rows, std::uint32_t dim, double* parts,
                 double* gram);

/// The systems of some rows of interactions: A = unobserved_weight · gram + sum of weight · x x^T + penalty · I,
/// b = sum of pull · x.
struct SolveArgs {
  const float* items = nullptr;
  const double* gram = nullptr;
  std::uint32_t dim = 0;
  double unobserved_weight = 0.0;

  std::uint32_t systems = 0;
  const std::uint64_t* offsets = nullptr;  ///< systems + 1, the first 0
  const std::uint32_t* columns = nullptr;  ///< items
  const float* weights = nullptr;          ///< null: all 1
  const double* penalties = nullptr;       ///< one a system
  double pull_offset = 0.0;                ///< pull = pull_slope · weight + pull_offset
  double pull_slope = 1.0;

  float* vectors = nullptr;         ///< systems × dim
  std::uint32_t* failed = nullptr;  ///< lowered to the first system that is not positive definite
  double* scratch = nullptr;        ///< for triangles that do not fit shared memory: solve_scratch_size() values
};

/// Blocks that solve `systems` systems.
[[nodiscard]] std::uint32_t solve_blocks(const DeviceTraits& traits, std::uint32_t systems);
/// Values of scratch that solving needs, which may be 0.
[[nodiscard]] std::size_t solve_scratch_size(const DeviceTraits& traits, std::uint32_t dim, std::uint32_t systems);
/// Dimensions above this do not fit a block.
[[nodiscard]] std::uint32_t solve_dim_max(const DeviceTraits& traits);

void launch_solve(Stream& stream, const DeviceTraits& traits, const SolveArgs& solve);

}  // namespace cairn::gpu::cuda
