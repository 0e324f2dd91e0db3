#include <cmath>

#include "gpu/cuda/simt.h"
#include "gpu/cuda/solve_kernels.h"

namespace cairn::gpu::cuda {
namespace {

constexpr std::uint32_t kGramTile = 32;  // columns by columns that a block sums, and rows that it reads at once
constexpr std::uint32_t kThreads = 256;

/// Grid: tiles of the lower triangle, counted like its values; parts of the rows.
CAIRN_KERNEL void gram_kernel(const float* items, std::uint32_t rows, std::uint32_t dim, double* parts) {
  CAIRN_SHARED float left[kGramTile][kGramTile + 1];
  CAIRN_SHARED float right[kGramTile][kGramTile + 1];
  std::uint32_t tile_i = 0;
  while (triangle_size(tile_i + 1) <= block_x()) ++tile_i;
  const std::uint32_t tile_j = block_x() - static_cast<std::uint32_t>(triangle_size(tile_i));
  const std::uint32_t part_rows = ceil_divide(rows, kGramParts);
  const std::uint32_t begin = block_y() * part_rows < rows ? block_y() * part_rows : rows;
  const std::uint32_t end = begin + part_rows < rows ? begin + part_rows : rows;

  // Each thread sums four places: its column j, and every eighth i.
  const std::uint32_t j = thread_index() % kGramTile;
  const std::uint32_t first_i = thread_index() / kGramTile;
  double sums[4] = {};
  for (std::uint32_t row = begin; row < end; row += kGramTile) {
    sync_block();
    for (std::uint32_t at = thread_index(); at < kGramTile * kGramTile; at += kThreads) {
      const std::uint32_t r = at / kGramTile;
      const std::uint32_t c = at % kGramTile;
      const float* from = items + static_cast<std::size_t>(row + r) * dim;
      const bool exists = row + r < end;
      left[r][c] = exists && tile_i * kGramTile + c < dim ? from[tile_i * kGramTile + c] : 0.0F;
      right[r][c] = exists && tile_j * kGramTile + c < dim ? from[tile_j * kGramTile + c] : 0.0F;
    }
    sync_block();
    for (std::uint32_t r = 0; r < kGramTile; ++r) {
      const auto other = static_cast<double>(right[r][j]);
      for (std::uint32_t s = 0; s < 4; ++s) sums[s] += static_cast<double>(left[r][first_i + 8 * s]) * other;
    }
  }
  for (std::uint32_t s = 0; s < 4; ++s) {
    const std::uint32_t row = tile_i * kGramTile + first_i + 8 * s;
    const std::uint32_t column = tile_j * kGramTile + j;
    if (row < dim && column <= row) parts[block_y() * triangle_size(dim) + triangle_place(row, column)] = sums[s];
  }
}

/// Grid: blocks of the triangle's values.
CAIRN_KERNEL void gram_sum_kernel(const double* parts, std::uint32_t dim, double* gram) {
  const std::size_t at = static_cast<std::size_t>(block_x()) * kThreads + thread_index();
  if (at >= triangle_size(dim)) return;
  // In the order of the parts, so that the sum is the same on every device.
  double sum = 0.0;
  for (std::uint32_t part = 0; part < kGramParts; ++part) sum += parts[part * triangle_size(dim) + at];
  gram[at] = sum;
}

constexpr std::uint32_t kItemsAtOnce = 4;
/// A pivot below this part of its diagonal value is what rounding leaves of 0.
constexpr double kPivotMin = 1e-13;

/// What a block works on.
struct System {
  double* triangle;
  double* solution;  ///< dim: b, then what solves it
  double* diagonal;  ///< dim: of A, before it is factored
  float* items;      ///< kItemsAtOnce × dim
};

CAIRN_DEVICE void assemble(const SolveArgs& solve, std::uint32_t system, const System& work) {
  const std::uint32_t dim = solve.dim;
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t warp = thread_index() / 32;
  for (std::size_t at = thread_index(); at < triangle_size(dim); at += kThreads) {
    work.triangle[at] = solve.unobserved_weight * solve.gram[at];
  }
  for (std::uint32_t i = thread_index(); i < dim; i += kThreads) work.solution[i] = 0.0;
  // Several items are read before the triangle is gone through, which costs one pass over it for all of them.
  const std::uint64_t end = solve.offsets[system + 1];
  for (std::uint64_t first = solve.offsets[system]; first < end; first += kItemsAtOnce) {
    const auto count = static_cast<std::uint32_t>(end - first < kItemsAtOnce ? end - first : kItemsAtOnce);
    sync_block();
    for (std::uint32_t at = thread_index(); at < count * dim; at += kThreads) {
      const std::size_t item = solve.columns[first + at / dim];
      work.items[at] = solve.items[item * dim + at % dim];
    }
    sync_block();
    for (std::uint32_t i = warp; i < dim; i += kThreads / 32) {
      double scaled[kItemsAtOnce] = {};
      double pull = 0.0;
      for (std::uint32_t e = 0; e < count; ++e) {
        const double weight = solve.weights != nullptr ? static_cast<double>(solve.weights[first + e]) : 1.0;
        const auto value = static_cast<double>(work.items[e * dim + i]);
        scaled[e] = weight * value;
        pull += (solve.pull_slope * weight + solve.pull_offset) * value;
      }
      // A warp has a row of the triangle to itself, and its lanes write next to each other.
      for (std::uint32_t j = lane; j <= i; j += 32) {
        double sum = 0.0;
        for (std::uint32_t e = 0; e < count; ++e) sum += scaled[e] * static_cast<double>(work.items[e * dim + j]);
        work.triangle[triangle_place(i, j)] += sum;
      }
      if (lane == 0) work.solution[i] += pull;
    }
  }
  sync_block();
  for (std::uint32_t i = thread_index(); i < dim; i += kThreads) {
    work.triangle[triangle_place(i, i)] += solve.penalties[system];
    work.diagonal[i] = work.triangle[triangle_place(i, i)];
  }
  sync_block();
}

/// Cholesky in place, column after column; false when the matrix is not positive definite, for the whole block.
CAIRN_DEVICE bool factor(const System& work, std::uint32_t dim) {
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t warp = thread_index() / 32;
  double* a = work.triangle;
  for (std::uint32_t j = 0; j < dim; ++j) {
    const double pivot = a[triangle_place(j, j)];
    // All threads read the same pivot and decide alike, so none of them waits for others at a barrier. NaN is refused
    // too.
    if (!(pivot > kPivotMin * work.diagonal[j]) || !(pivot < 1e300)) return false;
    const double root = sqrt(pivot);
    sync_block();  // all have read the pivot
    for (std::uint32_t i = j + thread_index(); i < dim; i += kThreads) {
      a[triangle_place(i, j)] = i == j ? root : a[triangle_place(i, j)] / root;
    }
    sync_block();
    for (std::uint32_t i = j + 1 + warp; i < dim; i += kThreads / 32) {
      const double factor_i = a[triangle_place(i, j)];
      for (std::uint32_t l = j + 1 + lane; l <= i; l += 32) {
        a[triangle_place(i, l)] -= factor_i * a[triangle_place(l, j)];
      }
    }
    sync_block();
  }
  return true;
}

/// L y = b, then L^T x = y.
CAIRN_DEVICE void substitute(const System& work, std::uint32_t dim) {
  const double* a = work.triangle;
  double* x = work.solution;
  for (std::uint32_t j = 0; j < dim; ++j) {
    const double value = x[j] / a[triangle_place(j, j)];
    sync_block();
    for (std::uint32_t i = j + thread_index(); i < dim; i += kThreads) {
      x[i] = i == j ? value : x[i] - a[triangle_place(i, j)] * value;
    }
    sync_block();
  }
  for (std::uint32_t j = dim; j > 0;) {
    --j;
    const double value = x[j] / a[triangle_place(j, j)];
    sync_block();
    for (std::uint32_t i = thread_index(); i <= j; i += kThreads) {
      x[i] = i == j ? value : x[i] - a[triangle_place(j, i)] * value;
    }
    sync_block();
  }
}

/// Grid: blocks, which take the systems in turn. Shared memory: solution, diagonal, triangle if `shared_triangle` is
/// not 0, and items.
CAIRN_KERNEL void solve_kernel(SolveArgs solve, std::uint32_t shared_triangle) {
  const std::size_t size = triangle_size(solve.dim);
  System work;
  work.solution = reinterpret_cast<double*>(dynamic_shared());
  work.diagonal = work.solution + solve.dim;
  work.triangle = shared_triangle != 0 ? work.diagonal + solve.dim : solve.scratch + block_x() * size;
  work.items = reinterpret_cast<float*>(work.diagonal + solve.dim + (shared_triangle != 0 ? size : 0));
  for (std::uint32_t system = block_x(); system < solve.systems; system += grid_x()) {
    float* out = solve.vectors + static_cast<std::size_t>(system) * solve.dim;
    bool solved = false;
    if (solve.offsets[system] != solve.offsets[system + 1]) {
      assemble(solve, system, work);
      solved = factor(work, solve.dim);
      if (solved) {
        substitute(work, solve.dim);
      } else if (thread_index() == 0) {
        atomic_min(solve.failed, system);
      }
    }
    for (std::uint32_t i = thread_index(); i < solve.dim; i += kThreads) {
      out[i] = solved ? static_cast<float>(work.solution[i]) : 0.0F;
    }
    // The next system overwrites what other threads may still read.
    sync_block();
  }
}

std::size_t vector_bytes(std::uint32_t dim) {
  return std::size_t{dim} * (2 * sizeof(double) + kItemsAtOnce * sizeof(float));
}

std::size_t whole_bytes(std::uint32_t dim) { return vector_bytes(dim) + triangle_size(dim) * sizeof(double); }

bool fits_shared(const DeviceTraits& traits, std::uint32_t dim) { return whole_bytes(dim) <= traits.shared_bytes_max; }

}  // namespace

void launch_gram(Stream& stream, const float* items, std::uint32_t rows, std::uint32_t dim, double* parts,
                 double* gram) {
  const auto tiles = static_cast<std::uint32_t>(triangle_size(ceil_divide(dim, kGramTile)));
  launch(stream, tiles, kGramParts, kThreads, 0, &gram_kernel, items, rows, dim, parts);
  const auto blocks = static_cast<std::uint32_t>((triangle_size(dim) + kThreads - 1) / kThreads);
  launch(stream, blocks, 1, kThreads, 0, &gram_sum_kernel, static_cast<const double*>(parts), dim, gram);
}

std::uint32_t solve_blocks(const DeviceTraits& traits, std::uint32_t systems) {
  const std::uint32_t most = traits.multiprocessors * 4;
  return systems < most ? systems : most;
}

std::size_t solve_scratch_size(const DeviceTraits& traits, std::uint32_t dim, std::uint32_t systems) {
  return fits_shared(traits, dim) ? 0 : solve_blocks(traits, systems) * triangle_size(dim);
}

std::uint32_t solve_dim_max(const DeviceTraits& traits) {
  return static_cast<std::uint32_t>(traits.shared_bytes_max / vector_bytes(1));
}

void launch_solve(Stream& stream, const DeviceTraits& traits, const SolveArgs& solve) {
  if (solve.systems == 0) return;
  const bool shared_triangle = fits_shared(traits, solve.dim);
  const std::size_t shared = shared_triangle ? whole_bytes(solve.dim) : vector_bytes(solve.dim);
  allow_shared_bytes(&solve_kernel, shared);
  launch(stream, solve_blocks(traits, solve.systems), 1, kThreads, shared, &solve_kernel, solve,
         shared_triangle ? 1U : 0U);
}

}  // namespace cairn::gpu::cuda
