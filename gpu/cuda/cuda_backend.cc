#include "gpu/cuda/cuda_backend.h"

#include "gpu/cuda/context.h"
#include "gpu/cuda/fold_in.h"
#include "gpu/cuda/matrix.h"
#include "gpu/cuda/scan_table.h"

namespace cairn::gpu::cuda {
namespace {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return context_->traits().name; }
  [[nodiscard]] Result<std::unique_ptr<ItemMatrix>> make_matrix(MatrixView items,
                                                                const MatrixOptions& options) override {
    return CudaItemMatrix::make(context_, items, options);
  }
  [[nodiscard]] Result<std::unique_ptr<FoldIn>> make_fold_in(MatrixView items, const FoldInOptions& options) override {
    return make_cuda_fold_in(context_, items, options);
  }
  [[nodiscard]] Result<std::unique_ptr<ScanTable>> make_scan_table(const ScanRows& rows) override {
    return CudaScanTable::make(context_, rows);
  }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return context_->memory().bytes(); }
  [[nodiscard]] std::size_t memory_max_bytes() const noexcept override { return context_->memory().bytes_max(); }

 private:
  std::shared_ptr<Context> context_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_cuda_backend(int device, std::size_t memory_max_bytes) {
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<Context> context, Context::open(device, memory_max_bytes));
  return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(std::move(context)));
}

}  // namespace cairn::gpu::cuda
