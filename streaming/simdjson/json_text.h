#pragma once

#include <string>
#include <string_view>

namespace cairn::streaming {

/// `json` with ".0" after every integer beyond 64 bits, outside strings. simdjson 3.0.1 refuses a document for one such
/// integer, wherever it stands; as a real it is taken, and what may not be a real is refused where it is used.
[[nodiscard]] std::string with_wide_integers_as_reals(std::string_view json);

}  // namespace cairn::streaming
