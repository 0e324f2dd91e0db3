#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gpu/backend.h"
#include "tests/support/skip.h"

namespace cairn::gpu {

/// The instruction sets that this machine has. What it has not is told of, once a program.
inline std::vector<InstructionSet> every_instruction_set() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (set <= best_instruction_set()) sets.push_back(set);
  }
  static bool told = sets.size() == 3;
  if (!std::exchange(told, true))
    test::skip_part("this machine's best instruction set is " + std::string(to_string(sets.back())));
  return sets;
}

}  // namespace cairn::gpu
