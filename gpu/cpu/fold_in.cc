#include "gpu/cpu/fold_in.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gpu/cpu/objective.h"
#include "gpu/cpu/parallel.h"

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

class CpuFoldIn final : public FoldIn {
 public:
  CpuFoldIn(MatrixView items, Objective objective, std::size_t threads)
      : vectors_(items.values.begin(), items.values.end()), objective_(std::move(objective)), threads_(threads) {}

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
      NormalEquations equations;
      std::vector<Term> terms;
      const std::size_t end = std::min(rows, (chunk + 1) * kRowsPerChunk);
      for (std::size_t r = chunk * kRowsPerChunk; r < end; ++r) {
        terms_of(interactions, r, &terms);
        if (!solve_row(terms, &equations, vectors.data() + r * dim())) keep_smallest(&first_failed, r);
      }
    });
    if (first_failed == kNone) return ok_status();
    return failed_precondition("the equations of row " + number(first_failed) +
                               " are not positive definite: regularization is too small");
  }

 private:
  void terms_of(const SparseView& interactions, std::size_t r, std::vector<Term>* terms) const {
    terms->clear();
    const std::span<const std::uint32_t> columns = interactions.columns_of(r);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      terms->push_back({vectors_.data() + columns[i] * dim(), interactions.value(interactions.offsets[r] + i)});
    }
  }

  [[nodiscard]] bool solve_row(std::span<const Term> terms, NormalEquations* equations, float* vector) const {
    std::fill_n(vector, dim(), 0.0F);
    if (terms.empty()) return true;
    objective_.set_up(terms, equations);
    const DenseKernels& kernels = objective_.kernels();
    if (!factor(kernels, &equations->matrix)) return false;
    float* solution = equations->right_side.data();
    solve_transposed(kernels, equations->matrix, solution);
    gpu::solve(kernels, equations->matrix, solution);
    std::copy_n(solution, dim(), vector);
    return std::all_of(vector, vector + dim(), [](float value) { return std::isfinite(value); });
  }

  AlignedVector<float> vectors_;  ///< items × dim
  Objective objective_;
  std::size_t threads_;
};

}  // namespace

Result<std::unique_ptr<FoldIn>> make_cpu_fold_in(MatrixView items, const FoldInOptions& options, InstructionSet set,
                                                 std::size_t threads) {
  if (set > best_instruction_set()) {
    return failed_precondition("this machine does not have the instruction set " + std::string(to_string(set)));
  }
  CAIRN_ASSIGN_OR_RETURN(Objective objective, Objective::make(items, options, dense_kernels(set), threads));
  return std::unique_ptr<FoldIn>(new CpuFoldIn(items, std::move(objective), threads));
}

}  // namespace cairn::gpu
