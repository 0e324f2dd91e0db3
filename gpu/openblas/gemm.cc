#include "gpu/openblas/gemm.h"

#include <cblas.h>
#include <dlfcn.h>
#include <openblas_config.h>

#include <cstdlib>

#include "gpu/backend.h"

namespace cairn::gpu {
namespace {

struct OpenBlas {
  decltype(&cblas_sgemm) sgemm = nullptr;
  decltype(&openblas_set_num_threads) set_num_threads = nullptr;
};

template <class Function>
void find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
}

/// OpenBLAS 0.3.21, which Debian 12 has, does not know processors that came after it and takes its SSE3 kernels on them, 4 to
/// 10 times slower than those for AVX-512. It is told what the processor can do, unless somebody else has told it.
void name_kernels() noexcept {
  constexpr int kKeep = 0;
  if (best_instruction_set() == InstructionSet::kAvx512) {
    ::setenv("OPENBLAS_CORETYPE", "SKYLAKEX", kKeep);
  } else if (best_instruction_set() == InstructionSet::kAvx2) {
    ::setenv("OPENBLAS_CORETYPE", "HASWELL", kKeep);
  }
}

OpenBlas load() noexcept {
  OpenBlas blas;
  name_kernels();
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return blas;
  find(library, "cblas_sgemm", &blas.sgemm);
  find(library, "openblas_set_num_threads", &blas.set_num_threads);
  // Threads of its own would stand beside ours, and cut the work by their number.
  if (blas.set_num_threads != nullptr) blas.set_num_threads(1);
  return blas;
}

/// Loaded once, and never unloaded.
const OpenBlas& openblas() noexcept {
  static const OpenBlas blas = load();
  return blas;
}

CBLAS_TRANSPOSE order_of(const DenseBlock& block) { return block.transposed ? CblasTrans : CblasNoTrans; }

}  // namespace

bool has_openblas() noexcept { return openblas().sgemm != nullptr && openblas().set_num_threads != nullptr; }

void openblas_gemm(const GemmCall& call) {
  const auto size = [](std::size_t value) { return static_cast<blasint>(value); };
  openblas().sgemm(CblasRowMajor, order_of(call.a), order_of(call.b), size(call.rows), size(call.columns),
                   size(call.inner), call.alpha, call.a.data, size(call.a.stride), call.b.data, size(call.b.stride),
                   call.beta, call.c, size(call.c_stride));
}

}  // namespace cairn::gpu
