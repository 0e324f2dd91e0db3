#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "gpu/backend.h"
#include "gpu/guarded_backend.h"
#include "tests/gpu/every_instruction_set.h"
#include "tests/support/skip.h"
#if defined(CAIRN_TEST_CUDA_EMULATED)
#include "gpu/cuda/cuda_backend.h"
#endif

namespace cairn::gpu::testing {

/// Every backend that this machine can run: the CPU at each of its instruction sets, with one thread and with three,
/// and CUDA where there is a device. Each is judged by the same tests. A program built for it has the CUDA backend on
/// the emulator of its kernels, and no other. What this machine cannot run is told of, once a program.
inline std::vector<std::unique_ptr<Backend>> all_backends(std::size_t memory_max_bytes = kNoLimit) {
  std::vector<std::unique_ptr<Backend>> backends;
#if defined(CAIRN_TEST_CUDA_EMULATED)
  backends.push_back(cuda::make_cuda_backend(0, memory_max_bytes).value());
#else
  for (const InstructionSet set : every_instruction_set()) {
    for (const std::size_t threads : {std::size_t{1}, std::size_t{3}}) {
      backends.push_back(
          make_cpu_backend({.instruction_set = set, .threads = threads, .memory_max_bytes = memory_max_bytes}).value());
    }
  }
  auto cuda = open_cuda_backend({.memory_max_bytes = memory_max_bytes});
  static bool told = cuda.ok();
  if (cuda.ok()) {
    backends.push_back(std::move(cuda).value());
  } else if (!std::exchange(told, true)) {
    test::skip_part("no GPU: " + cuda.status().message());
  }
#endif
  return backends;
}

/// The CPU at each of its instruction sets, with one thread and with three, where even the smallest scans leave out
/// what bounds say cannot be among the best. None in a program of the CUDA emulator.
inline std::vector<std::unique_ptr<Backend>> bounding_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
#if !defined(CAIRN_TEST_CUDA_EMULATED)
  for (const InstructionSet set : every_instruction_set()) {
    for (const std::size_t threads : {std::size_t{1}, std::size_t{3}}) {
      backends.push_back(
          make_cpu_backend({.instruction_set = set, .threads = threads, .scan_bounds_from_rows = 1}).value());
    }
  }
#endif
  return backends;
}

/// All backends, and the last of them again with the processors behind it: what stands in front of a device changes no
/// bit.
inline std::vector<std::unique_ptr<Backend>> scan_backends() {
  std::vector<std::unique_ptr<Backend>> backends = all_backends();
  auto device = std::move(all_backends().back());
  backends.push_back(std::make_unique<GuardedBackend>(std::move(device), make_cpu_backend({.threads = 1}).value(),
                                                      GuardOptions{.time_max = std::chrono::minutes(10)}));
  return backends;
}

}  // namespace cairn::gpu::testing
