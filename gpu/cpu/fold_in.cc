#include "gpu/cpu/fold_in.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cairn/prefetch.h"
#include "gpu/cpu/dual_equations.h"
#include "gpu/cpu/objective.h"
#include "gpu/cpu/principal_axes.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

/// Rows that one thread solves one after the other, with the same memory.
constexpr std::size_t kRowsPerChunk = 16;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

std::string number(std::size_t value) { return std::to_string(value); }

void keep_smallest(std::atomic<std::size_t>* smallest, std::size_t value) {
  std::size_t current = smallest->load();
  while (value < current && !smallest->compare_exchange_weak(current, value)) {
  }
}

/// What one thread solves rows with.
struct Workspace {
  std::vector<Term> terms;
  std::vector<Term> next_terms;
  NormalEquations normal;
  DualEquations dual;
  AlignedVector<float> solution;
};

/// Whether some diagonal element is smaller than the rounding error of another. Along the principal axes this means
/// that neither items nor regularization say anything about a direction, so the equations have no single solution.
bool has_hollow_direction(const Panels& matrix, std::size_t dim) {
  float least = *matrix.diagonal(0);
  float most = least;
  for (std::size_t r = 1; r < dim; ++r) {
    least = std::min(least, *matrix.diagonal(r));
    most = std::max(most, *matrix.diagonal(r));
  }
  return !(least > most * kPivotMin);
}

/// Solves along the principal axes of the items: there a row of few interactions is a system of that few unknowns.
class CpuFoldIn final : public FoldIn {
 public:
  CpuFoldIn(PrincipalAxes axes, Buffer rotated, Objective objective, std::size_t threads)
      : axes_(std::move(axes)), vectors_(std::move(rotated)), objective_(std::move(objective)), threads_(threads) {}

  [[nodiscard]] std::size_t items() const noexcept override { return objective_.items(); }
  [[nodiscard]] std::size_t dim() const noexcept override { return objective_.dim(); }

  [[nodiscard]] Status solve(const SparseView& interactions, std::span<float> vectors) const override {
    CAIRN_RETURN_IF_ERROR(check_interactions(interactions, items()));
    const std::size_t rows = interactions.rows();
    if (vectors.size() != rows * dim()) {
      return invalid_argument("there is room for " + number(vectors.size()) + " values, not for " + number(rows) +
                              " x " + number(dim()));
    }
    std::atomic<std::size_t> first_failed{kNone};
    parallel_for(threads_, (rows + kRowsPerChunk - 1) / kRowsPerChunk, [&](std::size_t chunk) {
      Workspace work;
      const std::size_t end = std::min(rows, (chunk + 1) * kRowsPerChunk);
      // The vectors of the next row are on their way from memory while this row is solved.
      terms_of(interactions, chunk * kRowsPerChunk, &work.next_terms);
      for (std::size_t r = chunk * kRowsPerChunk; r < end; ++r) {
        std::swap(work.terms, work.next_terms);
        if (r + 1 < end) terms_of(interactions, r + 1, &work.next_terms);
        if (!solve_row(&work, vectors.data() + r * dim())) keep_smallest(&first_failed, r);
      }
    });
    if (first_failed == kNone) return ok_status();
    return failed_precondition("the equations of row " + number(first_failed) +
                               " are not positive definite: regularization is too small");
  }

 private:
  /// Sets the terms of a row and prefetches their vectors, which stand anywhere in memory.
  void terms_of(const SparseView& interactions, std::size_t r, std::vector<Term>* terms) const {
    terms->clear();
    const std::span<const std::uint32_t> columns = interactions.columns_of(r);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const float* vector = vectors_.as<float>() + columns[i] * dim();
      for (std::size_t j = 0; j < dim(); j += kTile) cairn::prefetch(vector + j);
      terms->push_back({vector, interactions.value(interactions.offsets[r] + i)});
    }
  }

  [[nodiscard]] bool solve_row(Workspace* work, float* vector) const {
    std::fill_n(vector, dim(), 0.0F);
    if (work->terms.empty()) return true;
    work->solution.resize(padded_to_tiles(dim()));
    if (!solve_dual(work) && !solve_normal(work)) return false;
    axes_.rotate_back(work->solution.data(), vector);
    return std::all_of(vector, vector + dim(), [](float value) { return std::isfinite(value); });
  }

  [[nodiscard]] bool solve_dual(Workspace* work) const {
    return DualEquations::pays(work->terms.size(), dim()) &&
           work->dual.solve(objective_, work->terms, work->solution.data());
  }

  [[nodiscard]] bool solve_normal(Workspace* work) const {
    const DenseKernels& kernels = objective_.kernels();
    Panels& matrix = work->normal.matrix;
    objective_.set_up(work->terms, &work->normal);
    if (has_hollow_direction(matrix, dim()) || !factor(kernels, &matrix)) return false;
    work->solution = work->normal.right_side;
    solve_transposed(kernels, matrix, work->solution.data());
    gpu::solve(kernels, matrix, work->solution.data());
    return true;
  }

  PrincipalAxes axes_;
  Buffer vectors_;  ///< items × dim, along the axes
  Objective objective_;
  std::size_t threads_;
};

}  // namespace

Result<std::unique_ptr<FoldIn>> make_cpu_fold_in(MatrixView items, const FoldInOptions& options, InstructionSet set,
                                                 std::size_t threads) {
  if (set > best_instruction_set()) {
    return failed_precondition("this machine does not have the instruction set " + std::string(to_string(set)));
  }
  const DenseKernels& kernels = dense_kernels(set);
  CAIRN_RETURN_IF_ERROR(check_objective(items, options));
  CAIRN_ASSIGN_OR_RETURN(PrincipalAxes axes, PrincipalAxes::of(items, kernels, threads));
  Buffer rotated = axes.rotated(items, threads);
  const MatrixView view{{rotated.as<float>(), items.values.size()}, items.rows, items.dim};
  CAIRN_ASSIGN_OR_RETURN(Objective objective, Objective::make(view, options, kernels, threads));
  return std::unique_ptr<FoldIn>(new CpuFoldIn(std::move(axes), std::move(rotated), std::move(objective), threads));
}

}  // namespace cairn::gpu
