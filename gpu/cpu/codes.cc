#include "gpu/cpu/codes.h"

#include "cairn/check.h"
#include "gpu/backend.h"

namespace cairn::gpu {

const CodeKernels& code_kernels(InstructionSet set) noexcept {
  CAIRN_CHECK(set <= best_instruction_set());
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kCodesAvx512;
  if (set == InstructionSet::kAvx2) return kCodesAvx2;
#endif
  return kCodesScalar;
}

}  // namespace cairn::gpu
