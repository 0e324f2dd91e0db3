#include "gpu/train/ials.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <utility>

#include "gpu/backend.h"
#include "gpu/cpu/dense.h"
#include "gpu/cpu/objective.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"
#include "gpu/random.h"
#include "gpu/train/block_rows.h"
#include "gpu/train/interactions.h"

namespace cairn::gpu {
namespace {

/// Rows that are solved between two reports of progress.
constexpr std::size_t kBatchRows = 16384;
/// Rows that one thread improves one after the other.
constexpr std::size_t kRowsPerChunk = 16;

Status check_options(const IalsOptions& options) {
  if (options.dim == 0) return invalid_argument("dim has to be at least 1");
  if (!std::isfinite(options.init_stddev) || !(options.init_stddev > 0.0F)) {
    return invalid_argument("init_stddev has to be finite and positive");
  }
  const FoldInOptions& objective = options.objective;
  for (const float value : {objective.unobserved_weight, objective.regularization, objective.frequency_exponent}) {
    if (!std::isfinite(value) || value < 0.0F) {
      return invalid_argument("unobserved_weight, regularization and frequency_exponent have to be finite, 0 or more");
    }
  }
  return ok_status();
}

/// The rows [first, first + count) as a matrix of their own.
SparseMatrix rows_of(const SparseView& matrix, std::size_t first, std::size_t count) {
  SparseMatrix rows{.offsets = {matrix.offsets.begin() + static_cast<std::ptrdiff_t>(first),
                                matrix.offsets.begin() + static_cast<std::ptrdiff_t>(first + count + 1)},
                    .width = matrix.width};
  // Offsets of a matrix begin with 0.
  const std::size_t begin = rows.offsets.front();
  for (std::uint64_t& offset : rows.offsets) offset -= begin;
  const auto part = [&](const auto& values) { return values.subspan(begin, rows.offsets.back()); };
  rows.columns = {part(matrix.columns).begin(), part(matrix.columns).end()};
  if (!matrix.values.empty()) rows.values = {part(matrix.values).begin(), part(matrix.values).end()};
  return rows;
}

/// One side of the factors while the other is fixed.
struct HalfStep {
  const SparseView& rows;  ///< interactions by row of the side that is solved for
  std::vector<float>* solved;
  std::vector<float>* fixed;
};

class Trainer final : public IalsTrainer {
 public:
  Trainer(const SparseView& by_user, const IalsOptions& options)
      : options_(options), by_user_(by_user), by_item_(transposed(by_user)), by_item_view_(by_item_.view()) {
    // Divided by √dim, so that the expected length of a vector does not depend on dim.
    const float stddev = options.init_stddev / std::sqrt(static_cast<float>(options.dim));
    factors_.dim = options.dim;
    factors_.users.resize(by_user.rows() * options.dim);
    factors_.items.resize(by_user.width * options.dim);
    // Each side has a seed of its own: with one for both, users and items would begin with the same vectors.
    fill_normal(2 * options.seed, stddev, factors_.users);
    fill_normal(2 * options.seed + 1, stddev, factors_.items);
  }

  [[nodiscard]] Status epoch(const Progress& progress) override {
    CAIRN_RETURN_IF_ERROR(
        half_epoch({by_user_, &factors_.users, &factors_.items}, part_of(progress, 0.0, 0.5)).with_context("users"));
    CAIRN_RETURN_IF_ERROR(half_epoch({by_item_view_, &factors_.items, &factors_.users}, part_of(progress, 0.5, 1.0))
                              .with_context("items"));
    ++epochs_done_;
    return ok_status();
  }

  [[nodiscard]] double loss() const override {
    return observed_loss() + unobserved_loss() + penalties(by_user_, factors_.users) +
           penalties(by_item_view_, factors_.items);
  }

  [[nodiscard]] std::size_t epochs_done() const noexcept override { return epochs_done_; }
  [[nodiscard]] const IalsFactors& factors() const noexcept override { return factors_; }

  [[nodiscard]] Status restore(IalsFactors factors, std::size_t epochs_done) override {
    if (factors.dim != factors_.dim || factors.users.size() != factors_.users.size() ||
        factors.items.size() != factors_.items.size()) {
      return invalid_argument("the factors are not of " + std::to_string(by_user_.rows()) + " users and " +
                              std::to_string(by_user_.width) + " items with " + std::to_string(factors_.dim) +
                              " dimensions");
    }
    factors_ = std::move(factors);
    epochs_done_ = epochs_done;
    return ok_status();
  }

 private:
  /// A backend solves whole rows only, so with one the blocks are ignored.
  [[nodiscard]] Status half_epoch(const HalfStep& step, const Progress& progress) const {
    const bool whole = options_.backend != nullptr || options_.block == 0 || options_.block >= options_.dim;
    return whole ? solve_rows(step, progress) : improve_rows(step, progress);
  }

  [[nodiscard]] MatrixView view_of(const std::vector<float>& vectors) const {
    return {vectors, vectors.size() / options_.dim, options_.dim};
  }

  [[nodiscard]] Result<std::unique_ptr<FoldIn>> fold_in_for(MatrixView fixed) const {
    if (options_.backend != nullptr) return options_.backend->make_fold_in(fixed, options_.objective);
    CAIRN_ASSIGN_OR_RETURN(const std::unique_ptr<Backend> cpu, make_cpu_backend({.threads = options_.threads}));
    return cpu->make_fold_in(fixed, options_.objective);
  }

  /// Exactly, row by row.
  [[nodiscard]] Status solve_rows(const HalfStep& step, const Progress& progress) const {
    CAIRN_ASSIGN_OR_RETURN(const std::unique_ptr<FoldIn> fold_in, fold_in_for(view_of(*step.fixed)));
    // Into new memory, so that the factors stay as they were when the work fails or is cancelled.
    std::vector<float> solved(step.solved->size());
    const std::size_t rows = step.rows.rows();
    for (std::size_t first = 0; first < rows; first += kBatchRows) {
      CAIRN_RETURN_IF_ERROR(report_progress(progress, static_cast<double>(first) / static_cast<double>(rows)));
      const std::size_t count = std::min(kBatchRows, rows - first);
      const SparseMatrix batch = rows_of(step.rows, first, count);
      const std::span<float> vectors = std::span(solved).subspan(first * options_.dim, count * options_.dim);
      CAIRN_RETURN_IF_ERROR(fold_in->solve(batch.view(), vectors));
    }
    CAIRN_RETURN_IF_ERROR(report_progress(progress, 1.0));
    *step.solved = std::move(solved);
    return ok_status();
  }

  /// Block by block. Both sides are turned into coordinates in which the Gram matrix of the fixed side is diagonal: no
  /// score changes, no length either, and blocks become independent of each other but for their residuals.
  [[nodiscard]] Status improve_rows(const HalfStep& step, const Progress& progress) const {
    // Unlike whole rows, blocks start from the present vectors: each is solved with the others' values as they are.
    std::vector<float> gram;
    const std::vector<float> axes = principal_axes(*step.fixed, &gram);
    const std::vector<float> fixed = turned(*step.fixed, axes);
    std::vector<float> solved = turned(*step.solved, axes);
    const std::size_t rows = step.rows.rows();
    for (std::size_t first = 0; first < rows; first += kBatchRows) {
      CAIRN_RETURN_IF_ERROR(report_progress(progress, static_cast<double>(first) / static_cast<double>(rows)));
      CAIRN_RETURN_IF_ERROR(
          improve_batch(step.rows, view_of(fixed), gram, first, std::min(rows, first + kBatchRows), &solved));
    }
    CAIRN_RETURN_IF_ERROR(report_progress(progress, 1.0));
    // Both sides are kept in the new coordinates, which belong together.
    *step.fixed = fixed;
    *step.solved = std::move(solved);
    return ok_status();
  }

  /// The eigenvectors of the Gram matrix as columns, and its diagonal along them.
  [[nodiscard]] std::vector<float> principal_axes(const std::vector<float>& vectors, std::vector<float>* gram) const {
    const std::size_t dim = options_.dim;
    std::vector<float> square(dim * dim);
    gram_matrix(view_of(vectors), square, options_.threads);
    const SymmetricEigen eigen =
        symmetric_eigen(dim, std::vector<double>(square.begin(), square.end()), options_.threads);
    std::vector<float> axes(dim * dim);
    for (std::size_t axis = 0; axis < dim; ++axis) {
      // A Gram matrix has no negative eigenvalues; rounding may give it some.
      gram->push_back(static_cast<float>(std::max(0.0, eigen.values[axis])));
      for (std::size_t i = 0; i < dim; ++i) axes[i * dim + axis] = static_cast<float>(eigen.vectors[axis * dim + i]);
    }
    return axes;
  }

  [[nodiscard]] std::vector<float> turned(const std::vector<float>& vectors, const std::vector<float>& axes) const {
    const std::size_t dim = options_.dim;
    std::vector<float> result(vectors.size());
    gemm({.rows = vectors.size() / dim,
          .columns = dim,
          .inner = dim,
          .a = {vectors.data(), dim, false},
          .b = {axes.data(), dim, false},
          .beta = 0.0F,
          .c = result.data(),
          .c_stride = dim},
         options_.threads);
    return result;
  }

  [[nodiscard]] Status improve_batch(const SparseView& rows, MatrixView fixed, std::span<const float> gram,
                                     std::size_t first, std::size_t last, std::vector<float>* solved) const {
    const DenseKernels& kernels = dense_kernels(best_instruction_set());
    std::atomic<bool> failed{false};
    parallel_for(options_.threads, (last - first + kRowsPerChunk - 1) / kRowsPerChunk, [&](std::size_t chunk) {
      // One object for the rows of a chunk, because it keeps its memory from row to row.
      BlockRows blocks(fixed, gram, options_.objective, options_.block, kernels);
      const std::size_t begin = first + chunk * kRowsPerChunk;
      for (std::size_t r = begin; r < std::min(last, begin + kRowsPerChunk); ++r) {
        const std::span<const float> weights =
            rows.values.empty() ? rows.values
                                : rows.values.subspan(rows.offsets[r], rows.offsets[r + 1] - rows.offsets[r]);
        const std::span<float> vector = std::span(*solved).subspan(r * fixed.dim, fixed.dim);
        if (!blocks.improve(rows.columns_of(r), weights, vector)) failed = true;
      }
    });
    if (!failed) return ok_status();
    return failed_precondition("equations are not positive definite: regularization is too small");
  }

  [[nodiscard]] double observed_loss() const {
    // One part a user, added in their order: the sum does not depend on the number of threads.
    std::vector<double> parts(by_user_.rows());
    parallel_for(options_.threads, parts.size(), [&](std::size_t u) {
      const float* user = factors_.users.data() + u * options_.dim;
      for (std::size_t entry = by_user_.offsets[u]; entry < by_user_.offsets[u + 1]; ++entry) {
        const float* item = factors_.items.data() + by_user_.columns[entry] * options_.dim;
        double score = 0.0;
        for (std::size_t j = 0; j < options_.dim; ++j) {
          score += static_cast<double>(user[j]) * static_cast<double>(item[j]);
        }
        const float weight = by_user_.value(entry);
        const double miss = score - static_cast<double>(target_of(options_.objective, weight));
        parts[u] += static_cast<double>(weight) * miss * miss;
      }
    });
    double sum = 0.0;
    for (const double part : parts) sum += part;
    return sum;
  }

  /// The sum over all pairs of (w·x)² is that of the products of both Gram matrices' elements.
  [[nodiscard]] double unobserved_loss() const {
    std::vector<float> users(options_.dim * options_.dim);
    std::vector<float> items(users.size());
    gram_matrix(view_of(factors_.users), users, options_.threads);
    gram_matrix(view_of(factors_.items), items, options_.threads);
    double sum = 0.0;
    for (std::size_t i = 0; i < users.size(); ++i) sum += static_cast<double>(users[i]) * static_cast<double>(items[i]);
    return static_cast<double>(options_.objective.unobserved_weight) * sum;
  }

  [[nodiscard]] double penalties(const SparseView& rows, const std::vector<float>& vectors) const {
    double sum = 0.0;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      double square = 0.0;
      for (const float value : std::span(vectors).subspan(r * options_.dim, options_.dim)) {
        square += static_cast<double>(value) * static_cast<double>(value);
      }
      sum += static_cast<double>(penalty_of(options_.objective, rows.width, rows.columns_of(r).size())) * square;
    }
    return sum;
  }

  const IalsOptions options_;
  const SparseView by_user_;
  const SparseMatrix by_item_;
  const SparseView by_item_view_;
  IalsFactors factors_;
  std::size_t epochs_done_ = 0;
};

}  // namespace

Result<std::unique_ptr<IalsTrainer>> IalsTrainer::create(const SparseView& interactions, const IalsOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_RETURN_IF_ERROR(check_interactions(interactions));
  return std::unique_ptr<IalsTrainer>(std::make_unique<Trainer>(interactions, options));
}

}  // namespace cairn::gpu
