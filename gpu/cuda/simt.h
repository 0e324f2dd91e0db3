#pragma once

#include <cstdint>
#include <cstring>

#include "gpu/cuda/device.h"
#include "gpu/cuda/layout.h"

// The words that kernels are written in. nvcc compiles them for a device; any other compiler makes them calls of the
// emulator, so that the same kernels run, slowly, on a processor. All of a warp's lanes must take part in shuffles,
// any_of_warp(), ballot() and products of fragments; blocks have one dimension and whole warps.

#if defined(__CUDACC__)

#define CAIRN_KERNEL __global__
#define CAIRN_DEVICE __device__ __forceinline__
#define CAIRN_DEVICE_CALL __device__ __noinline__
#define CAIRN_SHARED __shared__
#define CAIRN_GRID_CONSTANT __grid_constant__
#define CAIRN_UNROLL _Pragma("unroll")
#define CAIRN_LAUNCH_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)

namespace cairn::gpu::cuda {

CAIRN_DEVICE std::uint32_t thread_index() { return threadIdx.x; }
CAIRN_DEVICE std::uint32_t block_threads() { return blockDim.x; }
CAIRN_DEVICE std::uint32_t block_x() { return blockIdx.x; }
CAIRN_DEVICE std::uint32_t block_y() { return blockIdx.y; }
CAIRN_DEVICE std::uint32_t grid_x() { return gridDim.x; }
CAIRN_DEVICE std::uint32_t grid_y() { return gridDim.y; }

CAIRN_DEVICE unsigned char* dynamic_shared() {
  extern __shared__ uint4 cairn_dynamic_shared[];
  return reinterpret_cast<unsigned char*>(cairn_dynamic_shared);
}

CAIRN_DEVICE void sync_block() { __syncthreads(); }
/// Brings the lanes of a warp together again after branches. What each of them wrote before, all of them see after it.
CAIRN_DEVICE void sync_warp() { __syncwarp(); }
CAIRN_DEVICE bool any_of_warp(bool value) { return __any_sync(0xFFFFFFFFU, value) != 0; }
/// Bit l is the value of lane l.
CAIRN_DEVICE std::uint32_t ballot(bool value) { return __ballot_sync(0xFFFFFFFFU, value); }
/// The value of one lane.
template <class T>
CAIRN_DEVICE T shuffle_from(T value, std::uint32_t lane) {
  return __shfl_sync(0xFFFFFFFFU, value, static_cast<int>(lane));
}
CAIRN_DEVICE std::uint32_t count_bits(std::uint32_t bits) { return static_cast<std::uint32_t>(__popc(bits)); }

// Operations that are rounded once each: the compiler does not make one of two of them.
CAIRN_DEVICE float add_rounded(float a, float b) { return __fadd_rn(a, b); }
CAIRN_DEVICE float multiply_rounded(float a, float b) { return __fmul_rn(a, b); }
CAIRN_DEVICE float root_rounded(float a) { return __fsqrt_rn(a); }

template <class T>
CAIRN_DEVICE T shuffle_xor(T value, int lanes) {
  return __shfl_xor_sync(0xFFFFFFFFU, value, lanes);
}
/// The value of the lane `lanes` above; of the last ones their own.
template <class T>
CAIRN_DEVICE T shuffle_down(T value, int lanes) {
  return __shfl_down_sync(0xFFFFFFFFU, value, static_cast<unsigned>(lanes));
}

CAIRN_DEVICE std::uint32_t atomic_add(std::uint32_t* to, std::uint32_t value) { return atomicAdd(to, value); }
CAIRN_DEVICE void atomic_min(std::uint32_t* to, std::uint32_t value) { atomicMin(to, value); }
CAIRN_DEVICE void atomic_and(std::uint32_t* to, std::uint32_t value) { atomicAnd(to, value); }

/// Begins to copy 16 bytes from device memory to shared memory, both aligned, which the caller alone then reads.
CAIRN_DEVICE void copy_async16(unsigned char* shared, const unsigned char* global) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(global) : "memory");
}
/// Ends a group of copies, which may be empty.
CAIRN_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
/// Waits until at most kPending of the caller's newest groups are under way.
template <int kPending>
CAIRN_DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

struct Words2 {
  std::uint32_t x, y;
};
struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};

/// c += a · b for fragments as layout.h describes them.
CAIRN_DEVICE void multiply_int8(std::int32_t (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
CAIRN_DEVICE void multiply_fp16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

CAIRN_DEVICE float half_to_float(std::uint16_t half) {
  float value;
  asm("cvt.f32.f16 %0, %1;\n" : "=f"(value) : "h"(half));
  return value;
}
/// To the nearest, ties to even.
CAIRN_DEVICE std::uint16_t float_to_half(float value) {
  std::uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;\n" : "=h"(half) : "f"(value));
  return half;
}

template <class... Parameters, class... Arguments>
void launch(Stream& stream, std::uint32_t blocks_x, std::uint32_t blocks_y, std::uint32_t threads,
            std::size_t shared_bytes, void (*kernel)(Parameters...), const Arguments&... arguments) {
  kernel<<<dim3(blocks_x, blocks_y), threads, shared_bytes, static_cast<cudaStream_t>(stream.handle())>>>(arguments...);
  stream.check_launch();
}

/// Lets a kernel have so much dynamic shared memory: more than 48 KiB has to be asked for.
template <class... Parameters>
void allow_shared_bytes(void (*kernel)(Parameters...), std::size_t bytes) {
  if (bytes <= (48 << 10)) return;
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

/// Blocks of a kernel that run on one multiprocessor at once; at least 1.
template <class... Parameters>
std::uint32_t blocks_at_once(void (*kernel)(Parameters...), std::uint32_t threads, std::size_t shared_bytes) {
  int blocks = 0;
  (void)cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(threads), shared_bytes);
  return blocks < 1 ? 1U : static_cast<std::uint32_t>(blocks);
}

}  // namespace cairn::gpu::cuda

#else
#include "gpu/cuda/emulator.h"
#endif
