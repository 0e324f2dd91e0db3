#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cairn::gpu {

/// Selects the k best of `scores` (any length).
///
/// `rows` receives the indexes of the min(k, number of scores that are not NaN) largest scores, best first; of equal
/// scores the lower index comes first, -0.0 equals 0.0, infinities are ordinary values, NaN is never selected.
/// Threads: any. Cost: one pass over the scores and O(k log k).
void select_k(std::span<const float> scores, std::size_t k, std::vector<std::uint32_t>* rows);

/// The instruction set that the CPU kernels run on, as chosen from what this machine has: "cpu/avx512", "cpu/avx2",
/// "cpu/scalar".
[[nodiscard]] std::string_view cpu_backend() noexcept;

}  // namespace cairn::gpu
