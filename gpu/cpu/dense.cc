#include "gpu/cpu/dense.h"

#include "gpu/backend.h"

namespace cairn::gpu {

const DenseKernels& dense_kernels(InstructionSet set) noexcept {
  CAIRN_CHECK(set <= best_instruction_set());
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kDenseAvx512;
  if (set == InstructionSet::kAvx2) return kDenseAvx2;
#endif
  return kDenseScalar;
}

}  // namespace cairn::gpu
