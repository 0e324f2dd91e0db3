#include "gpu/backend.h"

namespace cairn::gpu {
namespace {

constexpr std::string_view kPrecisions[] = {"fp32", "fp16", "int8", "int4"};
constexpr std::string_view kInstructionSets[] = {"scalar", "avx2", "avx512"};

}  // namespace

std::string_view to_string(Precision precision) noexcept { return kPrecisions[static_cast<std::size_t>(precision)]; }

std::optional<Precision> precision_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < std::size(kPrecisions); ++i) {
    if (kPrecisions[i] == name) return static_cast<Precision>(i);
  }
  return std::nullopt;
}

std::string_view to_string(InstructionSet set) noexcept { return kInstructionSets[static_cast<std::size_t>(set)]; }

}  // namespace cairn::gpu
