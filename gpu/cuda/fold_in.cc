#include "gpu/cuda/fold_in.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gpu/cuda/solve_kernels.h"

namespace cairn::gpu::cuda {
namespace {

/// Interactions that are copied to the device at once, unless one row has more.
constexpr std::size_t kInteractionsAtOnce = std::size_t{4} << 20;
constexpr std::size_t kRowsAtOnce = std::size_t{1} << 17;

class CudaFoldIn final : public FoldIn {
 public:
  CudaFoldIn(std::shared_ptr<Context> context, Reservation reservation, std::size_t items, std::size_t dim,
             const FoldInOptions& options)
      : context_(std::move(context)),
        reservation_(std::move(reservation)),
        item_count_(items),
        dim_(dim),
        options_(options) {}
  ~CudaFoldIn() override {
    (void)context_->use().ok();  // what is freed is freed where it was made
  }
  CudaFoldIn(const CudaFoldIn&) = delete;
  CudaFoldIn& operator=(const CudaFoldIn&) = delete;

  [[nodiscard]] std::size_t items() const noexcept override { return item_count_; }
  [[nodiscard]] std::size_t dim() const noexcept override { return dim_; }

  /// Copies the items and computes their Gram matrix.
  [[nodiscard]] Status prepare(MatrixView items) {
    const std::size_t size = triangle_size(dim_);
    CAIRN_RETURN_IF_ERROR(gram_.reserve(size));
    CAIRN_RETURN_IF_ERROR(items_.reserve(std::max<std::size_t>(items.values.size(), 1)));
    if (!items.values.empty()) {
      CAIRN_RETURN_IF_ERROR(copy_to_device(items_.data(), items.values.data(), items.values.size_bytes()));
    }
    DeviceArray<double> parts;
    CAIRN_RETURN_IF_ERROR(parts.reserve(kGramParts * size));
    CAIRN_ASSIGN_OR_RETURN(WorkspaceLease workspace, WorkspaceLease::take(*context_));
    launch_gram(workspace->stream, items_.data(), static_cast<std::uint32_t>(items.rows),
                static_cast<std::uint32_t>(dim_), parts.data(), gram_.data());
    CAIRN_RETURN_IF_ERROR(workspace->stream.wait());
    return check_gram();
  }

  [[nodiscard]] Status solve(const SparseView& interactions, std::span<float> vectors) const override {
    CAIRN_RETURN_IF_ERROR(check_interactions(interactions, items()));
    const std::size_t rows = interactions.rows();
    if (vectors.size() != rows * dim_) {
      return invalid_argument("there is room for " + std::to_string(vectors.size()) + " values, not for " +
                              std::to_string(rows) + " x " + std::to_string(dim_));
    }
    CAIRN_ASSIGN_OR_RETURN(WorkspaceLease workspace, WorkspaceLease::take(*context_));
    Status status;
    for (std::size_t begin = 0; begin < rows;) {
      // As many rows as fit both limits, and at least one, however long it is.
      std::size_t end = begin + 1;
      while (end < rows && end - begin < kRowsAtOnce &&
             interactions.offsets[end + 1] - interactions.offsets[begin] <= kInteractionsAtOnce) {
        ++end;
      }
      Status piece = solve_rows(interactions, begin, end, vectors.data() + begin * dim_, workspace->stream);
      // The first error is returned, but all rows are tried: those that can be solved have their vectors.
      if (status.ok()) status = std::move(piece);
      begin = end;
    }
    return status;
  }

 private:
  [[nodiscard]] Status check_gram() const {
    std::vector<double> gram(triangle_size(dim_));
    CAIRN_RETURN_IF_ERROR(copy_from_device(gram.data(), gram_.data(), gram.size() * sizeof(double)));
    const auto weight = static_cast<double>(options_.unobserved_weight);
    // Refused as the CPU refuses it, although doubles could hold more: both backends take the same input.
    const bool finite = std::all_of(gram.begin(), gram.end(),
                                    [&](double value) { return std::isfinite(static_cast<float>(weight * value)); });
    if (finite) return ok_status();
    return invalid_argument("unobserved_weight times the squares of the items exceeds what float can hold");
  }

  [[nodiscard]] double penalty_of(std::size_t interactions) const {
    const double count = static_cast<double>(interactions) +
                         static_cast<double>(options_.unobserved_weight) * static_cast<double>(item_count_);
    return static_cast<double>(options_.regularization) *
           std::pow(count, static_cast<double>(options_.frequency_exponent));
  }

  [[nodiscard]] Status solve_rows(const SparseView& interactions, std::size_t begin, std::size_t end, float* vectors,
                                  Stream& stream) const {
    const std::size_t systems = end - begin;
    const std::uint64_t first = interactions.offsets[begin];
    const std::size_t count = interactions.offsets[end] - first;
    std::vector<std::uint64_t> offsets(systems + 1);
    std::vector<double> penalties(systems);
    for (std::size_t r = 0; r <= systems; ++r) offsets[r] = interactions.offsets[begin + r] - first;
    for (std::size_t r = 0; r < systems; ++r) penalties[r] = penalty_of(offsets[r + 1] - offsets[r]);

    DeviceArray<std::uint64_t> device_offsets;
    DeviceArray<double> device_penalties;
    DeviceArray<std::uint32_t> columns;
    DeviceArray<float> weights;
    DeviceArray<float> device_vectors;
    DeviceArray<std::uint32_t> failed;
    DeviceArray<double> scratch;
    // Lowered by each system that fails to its own number, so that the first one is reported whatever the order.
    const std::vector<std::uint32_t> none_failed = {static_cast<std::uint32_t>(systems)};
    CAIRN_RETURN_IF_ERROR(upload(offsets, &device_offsets));
    CAIRN_RETURN_IF_ERROR(upload(penalties, &device_penalties));
    CAIRN_RETURN_IF_ERROR(upload(none_failed, &failed));
    CAIRN_RETURN_IF_ERROR(columns.reserve(std::max<std::size_t>(count, 1)));
    CAIRN_RETURN_IF_ERROR(device_vectors.reserve(systems * dim_));
    if (count > 0) {
      CAIRN_RETURN_IF_ERROR(
          copy_to_device(columns.data(), interactions.columns.data() + first, count * sizeof(std::uint32_t)));
    }
    if (count > 0 && !interactions.values.empty()) {
      CAIRN_RETURN_IF_ERROR(weights.reserve(count));
      CAIRN_RETURN_IF_ERROR(copy_to_device(weights.data(), interactions.values.data() + first, count * sizeof(float)));
    }
    SolveArgs args = arguments(static_cast<std::uint32_t>(systems));
    const std::size_t scratch_size = solve_scratch_size(context_->traits(), args.dim, args.systems);
    if (scratch_size > 0) CAIRN_RETURN_IF_ERROR(scratch.reserve(scratch_size));
    args.offsets = device_offsets.data();
    args.columns = columns.data();
    args.weights = weights.data();
    args.penalties = device_penalties.data();
    args.vectors = device_vectors.data();
    args.failed = failed.data();
    args.scratch = scratch.data();
    launch_solve(stream, context_->traits(), args);
    CAIRN_RETURN_IF_ERROR(stream.wait());
    CAIRN_RETURN_IF_ERROR(copy_from_device(vectors, device_vectors.data(), systems * dim_ * sizeof(float)));
    std::uint32_t first_failed = 0;
    CAIRN_RETURN_IF_ERROR(copy_from_device(&first_failed, failed.data(), sizeof(first_failed)));
    if (first_failed == systems) return ok_status();
    return failed_precondition("the equations of row " + std::to_string(begin + first_failed) +
                               " are not positive definite: regularization is too small");
  }

  [[nodiscard]] SolveArgs arguments(std::uint32_t systems) const {
    SolveArgs args;
    args.items = items_.data();
    args.gram = gram_.data();
    args.dim = static_cast<std::uint32_t>(dim_);
    args.unobserved_weight = static_cast<double>(options_.unobserved_weight);
    args.systems = systems;
    // Targets times weights: weight · 1, or weight · (1 + unobserved_weight / weight).
    if (options_.target == FoldInOptions::Target::kHuKorenVolinsky) args.pull_offset = args.unobserved_weight;
    return args;
  }

  // Fixed after construction. The context outlives what was allocated with it.
  std::shared_ptr<Context> context_;
  Reservation reservation_;
  std::size_t item_count_;
  std::size_t dim_;
  FoldInOptions options_;
  DeviceArray<float> items_;
  DeviceArray<double> gram_;
};

}  // namespace

Result<std::unique_ptr<FoldIn>> make_cuda_fold_in(std::shared_ptr<Context> context, MatrixView items,
                                                  const FoldInOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_objective(items, options));
  if (items.dim > solve_dim_max(context->traits())) {
    return invalid_argument("items have " + std::to_string(items.dim) + " dimensions; this device solves up to " +
                            std::to_string(solve_dim_max(context->traits())));
  }
  CAIRN_RETURN_IF_ERROR(context->use());
  const std::size_t bytes = items.values.size_bytes() + triangle_size(items.dim) * sizeof(double);
  CAIRN_ASSIGN_OR_RETURN(Reservation reservation, Reservation::make(context, bytes));
  auto fold_in =
      std::make_unique<CudaFoldIn>(std::move(context), std::move(reservation), items.rows, items.dim, options);
  CAIRN_RETURN_IF_ERROR(fold_in->prepare(items));
  return std::unique_ptr<FoldIn>(std::move(fold_in));
}

}  // namespace cairn::gpu::cuda
