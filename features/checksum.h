#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::features {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4): the trailer of everything this module encodes. Portable.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) noexcept;

}  // namespace cairn::features
