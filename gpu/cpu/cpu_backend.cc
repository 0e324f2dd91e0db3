#include "gpu/backend.h"
#include "gpu/select_k.h"

namespace cairn::gpu {
namespace {

#if defined(__x86_64__)

bool has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool has_avx512() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

#else

bool has_avx2() noexcept { return false; }
bool has_avx512() noexcept { return false; }

#endif

}  // namespace

InstructionSet best_instruction_set() noexcept {
  static const InstructionSet best = has_avx512() ? InstructionSet::kAvx512
                                     : has_avx2() ? InstructionSet::kAvx2
                                                  : InstructionSet::kScalar;
  return best;
}

std::string_view cpu_backend() noexcept {
  constexpr std::string_view kNames[] = {"cpu/scalar", "cpu/avx2", "cpu/avx512"};
  return kNames[static_cast<std::size_t>(best_instruction_set())];
}

}  // namespace cairn::gpu
