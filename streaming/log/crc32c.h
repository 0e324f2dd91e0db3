#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::streaming {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`. `crc` is the checksum of the bytes before them, so that a
/// text can be summed in pieces; 0 when there are none. Uses the processor's instruction where it has one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace cairn::streaming
