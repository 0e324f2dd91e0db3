#pragma once

#include <vector>

#include "gpu/backend.h"

namespace cairn::gpu {

/// The instruction sets that this machine has.
inline std::vector<InstructionSet> every_instruction_set() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (set <= best_instruction_set()) sets.push_back(set);
  }
  return sets;
}

}  // namespace cairn::gpu
