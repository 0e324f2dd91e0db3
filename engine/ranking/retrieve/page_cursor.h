#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::ranking {

/// The most places that a cursor keeps.
inline constexpr std::size_t kCursorPlacesMax = 5'000;

/// What a caller carries from one page of an answer to the next: the places it has had, by dictionary id, so that none
/// comes twice however scores move in between. In hexadecimal: for each place, ascending, its distance from the one
/// before as a varint; then a CRC-32C of that and of `state`, the name of the state directory, as ids mean nothing
/// elsewhere. Requires: `places` ascend and are at most kCursorPlacesMax.
[[nodiscard]] std::string make_cursor(std::string_view state, std::span<const std::uint64_t> places);

/// Returns: the places, ascending; INVALID_ARGUMENT for what make_cursor() did not make for this state.
[[nodiscard]] Result<std::vector<std::uint64_t>> read_cursor(std::string_view state, std::string_view cursor);

}  // namespace cairn::ranking
