#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::features {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4): the trailer of everything this module encodes. Uses the processor's
/// instruction for it where there is one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) noexcept;

/// The same by tables, on any processor.
[[nodiscard]] std::uint32_t crc32c_portable(std::string_view bytes) noexcept;

}  // namespace cairn::features
