#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bench/report.h"
#include "gpu/backend.h"
#include "gpu/cpu/buffer.h"
#include "gpu/parallel.h"

namespace cairn::bench {

/// Chains of dot products that depend on nothing in memory: as many as there are registers to hide their latency.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) inline std::uint64_t spin_vnni(std::size_t rounds) {
  constexpr std::size_t kChains = 24;
  __m512i sums[kChains];
#pragma GCC unroll 24
  for (std::size_t i = 0; i < kChains; ++i) sums[i] = _mm512_set1_epi32(static_cast<int>(i));
  const __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(1);
  for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (std::size_t i = 0; i < kChains; ++i) asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums[i]) : "v"(a), "v"(b));
  }
  __m512i sum = sums[0];
#pragma GCC unroll 24
  for (std::size_t i = 1; i < kChains; ++i) sum = _mm512_add_epi32(sum, sums[i]);
  std::uint64_t parts[8];
  _mm512_storeu_si512(parts, sum);
  return parts[0] + parts[7];
}

/// The operations of one 256-bit step of int8 products without VNNI: a sign, two multiply-adds and an addition.
__attribute__((target("avx2"))) inline std::uint64_t spin_avx2(std::size_t rounds) {
  constexpr std::size_t kChains = 10;
  __m256i sums[kChains];
#pragma GCC unroll 10
  for (std::size_t i = 0; i < kChains; ++i) sums[i] = _mm256_set1_epi32(static_cast<int>(i));
  const __m256i a = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 10
    for (std::size_t i = 0; i < kChains; ++i) {
      __m256i b = _mm256_sign_epi8(a, a);
      asm volatile("" : "+x"(b));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  std::uint64_t sum = 0;
  for (const __m256i& one : sums) sum += static_cast<std::uint64_t>(_mm256_extract_epi32(one, 0));
  return sum;
}

/// Fused multiply-adds out of registers, as many at a time as hide their latency. Registers are named, since compilers
/// keep an array of them in memory.
__attribute__((target("avx512f"))) inline void spin_fma_avx512(std::size_t rounds) {
  _mm256_zeroall();  // whatever stood there could be slow to compute with
  for (std::size_t round = 0; round < rounds; ++round) {
    asm volatile(
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm0\n vfmadd213ps %%zmm12, %%zmm12, %%zmm1\n"
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm2\n vfmadd213ps %%zmm12, %%zmm12, %%zmm3\n"
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm4\n vfmadd213ps %%zmm12, %%zmm12, %%zmm5\n"
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm6\n vfmadd213ps %%zmm12, %%zmm12, %%zmm7\n"
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm8\n vfmadd213ps %%zmm12, %%zmm12, %%zmm9\n"
        "vfmadd213ps %%zmm12, %%zmm12, %%zmm10\n vfmadd213ps %%zmm12, %%zmm12, %%zmm11\n"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12");
  }
}

__attribute__((target("avx2,fma"))) inline void spin_fma_avx2(std::size_t rounds) {
  _mm256_zeroall();  // whatever stood there could be slow to compute with
  for (std::size_t round = 0; round < rounds; ++round) {
    asm volatile(
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm0\n vfmadd213ps %%ymm12, %%ymm12, %%ymm1\n"
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm2\n vfmadd213ps %%ymm12, %%ymm12, %%ymm3\n"
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm4\n vfmadd213ps %%ymm12, %%ymm12, %%ymm5\n"
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm6\n vfmadd213ps %%ymm12, %%ymm12, %%ymm7\n"
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm8\n vfmadd213ps %%ymm12, %%ymm12, %%ymm9\n"
        "vfmadd213ps %%ymm12, %%ymm12, %%ymm10\n vfmadd213ps %%ymm12, %%ymm12, %%ymm11\n"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12");
  }
}

/// On the calling thread, with the widest registers there are.
inline void spin_fma(std::size_t rounds) {
  const bool wide = gpu::best_instruction_set() == gpu::InstructionSet::kAvx512;
  wide ? spin_fma_avx512(rounds) : spin_fma_avx2(rounds);
}
/// Numbers that so many rounds multiply and add.
inline double fma_lanes(std::size_t rounds) {
  return static_cast<double>(rounds) * 12 * (gpu::best_instruction_set() == gpu::InstructionSet::kAvx512 ? 16 : 8);
}

__attribute__((target("avx2"))) inline std::uint64_t read_all(const std::uint8_t* bytes, std::size_t count) {
  __m256i sums[8] = {};
  for (std::size_t i = 0; i + 256 <= count; i += 256) {
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j) {
      sums[j] = _mm256_xor_si256(sums[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes + i + 32 * j)));
    }
  }
  std::uint64_t sum = 0;
  for (const __m256i& one : sums) sum += static_cast<std::uint64_t>(_mm256_extract_epi64(one, 0));
  return sum;
}

/// What this machine can do at most, with all its threads. Both are to be timed in turn with what is compared with
/// them.
class Ceilings {
 public:
  /// Dot products of int8 codes out of registers.
  void multiply() {
    gpu::parallel_for(0, threads_, [&](std::size_t) { sink_ += vnni_ ? spin_vnni(kRounds) : spin_avx2(kRounds); });
  }
  /// Multiplications and additions of one `multiply`: of 64 codes in each of 24 chains, or of 32 in each of 10.
  [[nodiscard]] double operations() const {
    return static_cast<double>(kRounds * threads_) * (vnni_ ? 24 * 64 * 2 : 10 * 32 * 2);
  }

  /// Reads memory from end to end, more than caches hold.
  void read() {
    gpu::parallel_for(0, kParts, [&](std::size_t part) {
      sink_ += read_all(memory_.as<std::uint8_t>() + part * (kBytes / kParts), kBytes / kParts);
    });
  }
  [[nodiscard]] static double bytes() { return static_cast<double>(kBytes); }

 private:
  static constexpr std::size_t kRounds = 2'000'000;
  static constexpr std::size_t kBytes = std::size_t{512} << 20;
  static constexpr std::size_t kParts = 64;

  const bool vnni_ = gpu::best_instruction_set() == gpu::InstructionSet::kAvx512;
  const std::size_t threads_ = gpu::thread_count(0);
  const gpu::Buffer memory_{kBytes};
  std::atomic<std::uint64_t> sink_{0};
};

}  // namespace cairn::bench
