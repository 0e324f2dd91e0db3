#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"

namespace cairn::gpu {

// Dense algebra on row-major matrices of floats, for what is computed offline. Results depend on the inputs and on the
// kernels (see dense_backend), never on the number of threads: work is cut by shape alone, and each part is done by
// one thread. `threads` 0 is every processor.

/// What multiplies matrices in this build on this machine: "openblas", "avx512", "avx2", "scalar".
[[nodiscard]] std::string_view dense_backend() noexcept;

/// A block of a row-major matrix, or its transpose: value (r, c) is data[r * stride + c], or data[c * stride + r].
struct DenseBlock {
  const float* data = nullptr;
  std::size_t stride = 0;
  bool transposed = false;
};

/// C = alpha · A · B + beta · C, with A rows × inner, B inner × columns, C rows × columns at stride `c_stride`. With
/// beta 0, C is not read. C overlaps neither A nor B.
struct GemmCall {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t inner = 0;
  float alpha = 1.0F;
  DenseBlock a = {};
  DenseBlock b = {};
  float beta = 0.0F;
  float* c = nullptr;
  std::size_t c_stride = 0;
  bool lower_only = false;  ///< C is square and symmetric: what is above its diagonal may be left or overwritten
};
void gemm(const GemmCall& call, std::size_t threads);

/// gram = rowsᵀ · rows (dim × dim), both halves, summed in fp64 over parts of the rows.
void gram_matrix(const MatrixView& rows, std::span<float> gram, std::size_t threads);

/// Inverts a symmetric positive definite n × n matrix in place: the lower half is read, both halves are written.
/// Costs n³ / 2 multiply-adds and n × 2,048 floats beside the matrix. Blocked Gauss-Jordan elimination of the lower
/// half. Returns: FAILED_PRECONDITION when it is not positive definite to working precision; CANCELLED.
[[nodiscard]] Status invert_positive_definite(std::size_t n, std::span<float> matrix, std::size_t threads,
                                              const Progress& progress = {});

/// Eigenvalues, descending, and eigenvectors (row i of `vectors` belongs to value i) of a symmetric n × n matrix.
/// Householder tridiagonalisation and implicit QL; for n up to a few thousand. The sign of a vector is open.
struct SymmetricEigen {
  std::vector<double> values = {};
  std::vector<double> vectors = {};
};
[[nodiscard]] SymmetricEigen symmetric_eigen(std::size_t n, std::span<const double> matrix, std::size_t threads = 1);

/// The largest singular triples of a sparse matrix, descending.
struct TruncatedSvd {
  std::size_t rank = 0;
  std::vector<float> values = {};  ///< rank
  std::vector<float> left = {};    ///< rows × rank
  std::vector<float> right = {};   ///< width × rank
};

struct TruncatedSvdOptions {
  std::size_t rank = 64;
  std::size_t oversample = 64;
  std::size_t iterations = 6;  ///< of the subspace; each costs two products with the matrix
  std::uint64_t seed = 1;
  std::size_t threads = 0;
};

/// Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53, 2011, algorithm 4.4), the triples within
/// the subspace by Rayleigh and Ritz. Deterministic for a seed. The rank is less where the matrix has less: values
/// below a thousandth of the largest are left out. Returns: INVALID_ARGUMENT for a rank of 0 or a view that is no CSR
/// matrix; CANCELLED.
[[nodiscard]] Result<TruncatedSvd> truncated_svd(const SparseView& matrix, const TruncatedSvdOptions& options,
                                                 const Progress& progress = {});

}  // namespace cairn::gpu
