#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cairn/status.h"

/// What of a request must be beyond doubt before anything is made of it: where its header ends and how long its body
/// is. Two programs that read these differently serve one another's clients strangers' requests, so what RFC 9112 lets
/// a server be lenient about is refused here. Pure functions of bytes; any thread.
namespace cairn::serving {

/// Looks for the end of a header in what has come of it so far. `checked` is how much of it earlier calls have seen.
///
/// Returns: the length of the header with its empty line; none, more bytes are needed. INVALID_ARGUMENT for bytes that
/// no header may hold, whether it is complete or not: NUL and other controls, a CR without LF, an LF without CR.
[[nodiscard]] Result<std::optional<std::size_t>> find_header_end(std::string_view bytes, std::size_t checked);

/// How a request's body is delimited (RFC 9112, section 6).
struct Framing {
  enum class Kind : std::uint8_t { kNone, kLength, kChunked };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  ///< of kLength; may be more than anyone would take
};

/// Reads the framing of a whole header, its empty line included, and refuses what leaves it in doubt: a folded line, a
/// name that is no token, two lengths or lists of them, a length beside a transfer coding, a coding that is not
/// "chunked" alone, any coding in HTTP/1.0. The request line is not looked at, but for its version.
///
/// Returns: INVALID_ARGUMENT, saying what is wrong.
[[nodiscard]] Result<Framing> read_framing(std::string_view header);

/// Whether `line`, without its CRLF, is "name: value" with a name that is a token (RFC 9110, section 5.1).
[[nodiscard]] bool is_field_line(std::string_view line) noexcept;

}  // namespace cairn::serving
