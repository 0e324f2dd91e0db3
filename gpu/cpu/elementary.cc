#include "gpu/elementary.h"

#include "gpu/backend.h"
#include "gpu/cpu/elementary.h"

namespace cairn::gpu {

const ElementaryKernels& elementary_kernels(InstructionSet set) noexcept {
  CAIRN_CHECK(set <= best_instruction_set());
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kElementaryAvx512;
  if (set == InstructionSet::kAvx2) return kElementaryAvx2;
#endif
  return kElementaryScalar;
}

void exp_each(std::span<double> values) noexcept {
  elementary_kernels(best_instruction_set()).exp(values.data(), values.size());
}

void ln_each(std::span<double> values) noexcept {
  elementary_kernels(best_instruction_set()).ln(values.data(), values.size());
}

}  // namespace cairn::gpu
