#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::gpu {

enum class InstructionSet : std::uint8_t;

/// The kernels of one instruction set.
struct ElementaryKernels {
  void (*exp)(double* values, std::size_t count);
  void (*ln)(double* values, std::size_t count);
};

extern const ElementaryKernels kElementaryScalar;
extern const ElementaryKernels kElementaryAvx2;
extern const ElementaryKernels kElementaryAvx512;

/// Requires: this machine has the instruction set.
[[nodiscard]] const ElementaryKernels& elementary_kernels(InstructionSet set) noexcept;

}  // namespace cairn::gpu
