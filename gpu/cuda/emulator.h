#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "gpu/cuda/device.h"

// Runs kernels on a processor, for tests. The threads of a block take turns: each runs until it has to wait for others.
// Blocks run one after another. The emulator reports faults that a device would pass over: barriers that not all
// threads reach and memory written past its end; and a copy gives nothing new before it was waited for.
// Products of fragments are computed as the PTX manual describes them.

#define CAIRN_KERNEL
#define CAIRN_DEVICE inline
#define CAIRN_DEVICE_CALL inline
#define CAIRN_SHARED static
#define CAIRN_GRID_CONSTANT
#define CAIRN_UNROLL
#define CAIRN_LAUNCH_BOUNDS(threads, blocks)

namespace cairn::gpu::cuda {

/// Larger arrays are refused, as by a device that is full. Tests may lower it while no call is in progress.
inline std::size_t emulated_memory_bytes = std::size_t{1} << 30;

namespace emulator {

inline constexpr std::size_t kExchangeBytes = 32;

/// Runs `thread` for every thread of every block. One launch at a time.
void run(std::uint32_t blocks_x, std::uint32_t blocks_y, std::uint32_t threads, std::size_t shared_bytes,
         const std::function<void()>& thread);

struct Position {
  std::uint32_t thread, threads, block_x, block_y, grid_x, grid_y;
};
[[nodiscard]] const Position& position();

/// Shows `bytes` bytes of every lane of the warp to all its lanes; the call returns when every lane has made it. The
/// bytes of lane l stand at l * kExchangeBytes of the result. They stay there during the next exchange of the warp and
/// are overwritten by the one after it.
[[nodiscard]] const unsigned char* exchange(const void* mine, std::size_t bytes);
[[nodiscard]] unsigned char* shared_memory();
void sync_block();
void copy_async16(unsigned char* shared, const unsigned char* global);
void commit_copies();
void wait_copies(int pending);

}  // namespace emulator

inline std::uint32_t thread_index() { return emulator::position().thread; }
inline std::uint32_t block_threads() { return emulator::position().threads; }
inline std::uint32_t block_x() { return emulator::position().block_x; }
inline std::uint32_t block_y() { return emulator::position().block_y; }
inline std::uint32_t grid_x() { return emulator::position().grid_x; }
inline std::uint32_t grid_y() { return emulator::position().grid_y; }
inline unsigned char* dynamic_shared() { return emulator::shared_memory(); }
inline void sync_block() { emulator::sync_block(); }
inline void sync_warp() { (void)emulator::exchange(nullptr, 0); }

template <class T>
T of_lane(const unsigned char* shown, std::uint32_t lane) {
  T value;
  std::memcpy(&value, shown + lane * emulator::kExchangeBytes, sizeof(T));
  return value;
}

inline bool any_of_warp(bool value) {
  const unsigned char* shown = emulator::exchange(&value, sizeof(value));
  bool any = false;
  for (std::uint32_t lane = 0; lane < 32; ++lane) any = any || of_lane<bool>(shown, lane);
  return any;
}
inline std::uint32_t ballot(bool value) {
  const unsigned char* shown = emulator::exchange(&value, sizeof(value));
  std::uint32_t bits = 0;
  for (std::uint32_t lane = 0; lane < 32; ++lane) bits |= (of_lane<bool>(shown, lane) ? 1U : 0U) << lane;
  return bits;
}
template <class T>
T shuffle_from(T value, std::uint32_t lane) {
  const unsigned char* shown = emulator::exchange(&value, sizeof(value));
  return of_lane<T>(shown, lane);
}
inline std::uint32_t count_bits(std::uint32_t bits) { return static_cast<std::uint32_t>(__builtin_popcount(bits)); }

// Files of kernels are compiled so that a product and a sum do not become one operation.
inline float add_rounded(float a, float b) { return a + b; }
inline float multiply_rounded(float a, float b) { return a * b; }
inline float root_rounded(float a) { return std::sqrt(a); }

template <class T>
T shuffle_xor(T value, int lanes) {
  const unsigned char* shown = emulator::exchange(&value, sizeof(value));
  return of_lane<T>(shown, (thread_index() % 32) ^ static_cast<std::uint32_t>(lanes));
}
template <class T>
T shuffle_down(T value, int lanes) {
  const unsigned char* shown = emulator::exchange(&value, sizeof(value));
  const std::uint32_t lane = thread_index() % 32 + static_cast<std::uint32_t>(lanes);
  return lane < 32 ? of_lane<T>(shown, lane) : value;
}

inline std::uint32_t atomic_add(std::uint32_t* to, std::uint32_t value) {
  const std::uint32_t before = *to;
  *to += value;
  return before;
}
inline void atomic_min(std::uint32_t* to, std::uint32_t value) { *to = std::min(*to, value); }
inline void atomic_and(std::uint32_t* to, std::uint32_t value) { *to &= value; }

inline void copy_async16(unsigned char* shared, const unsigned char* global) { emulator::copy_async16(shared, global); }
inline void commit_copies() { emulator::commit_copies(); }
template <int kPending>
void wait_copies() {
  emulator::wait_copies(kPending);
}

struct Words2 {
  std::uint32_t x, y;
};
struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};

void multiply_int8(std::int32_t (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void multiply_fp16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);

[[nodiscard]] float half_to_float(std::uint16_t half);
[[nodiscard]] std::uint16_t float_to_half(float value);

template <class... Parameters, class... Arguments>
void launch(Stream& stream, std::uint32_t blocks_x, std::uint32_t blocks_y, std::uint32_t threads,
            std::size_t shared_bytes, void (*kernel)(Parameters...), const Arguments&... arguments) {
  emulator::run(blocks_x, blocks_y, threads, shared_bytes, [&] { kernel(arguments...); });
  stream.check_launch();
}

template <class... Parameters>
void allow_shared_bytes(void (*)(Parameters...), std::size_t) {}

template <class... Parameters>
std::uint32_t blocks_at_once(void (*)(Parameters...), std::uint32_t, std::size_t) {
  return 1;
}

}  // namespace cairn::gpu::cuda
