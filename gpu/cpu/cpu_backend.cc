#include "gpu/select_k.h"

namespace cairn::gpu {

std::string_view cpu_backend() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) return "cpu/avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "cpu/avx2";
#endif
  return "cpu/scalar";
}

}  // namespace cairn::gpu
