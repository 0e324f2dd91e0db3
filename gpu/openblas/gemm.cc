#include "gpu/openblas/gemm.h"

#include <cblas.h>
#include <openblas_config.h>

#include <mutex>

namespace cairn::gpu {
namespace {

/// OpenBLAS would start threads of its own beside ours, and cut the work by their number.
void use_calling_thread_only() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

CBLAS_TRANSPOSE order_of(const DenseBlock& block) { return block.transposed ? CblasTrans : CblasNoTrans; }

}  // namespace

void openblas_gemm(const GemmCall& call) {
  use_calling_thread_only();
  const auto size = [](std::size_t value) { return static_cast<blasint>(value); };
  cblas_sgemm(CblasRowMajor, order_of(call.a), order_of(call.b), size(call.rows), size(call.columns), size(call.inner),
              call.alpha, call.a.data, size(call.a.stride), call.b.data, size(call.b.stride), call.beta, call.c,
              size(call.c_stride));
}

}  // namespace cairn::gpu
