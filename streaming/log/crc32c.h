#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::streaming {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, going on from `crc`, the checksum of what stands before them
/// (0: nothing). Uses the processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace cairn::streaming
