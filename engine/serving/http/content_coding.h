#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/http_options.h"
#include "engine/serving/api/message.h"

/// Compressed answers (RFC 9110, sections 8.4 and 12.5.3). Pure functions; any thread.
namespace cairn::serving {

enum class Coding : std::uint8_t { kIdentity, kGzip, kBrotli };

/// "gzip", "br"; "identity" is never written.
[[nodiscard]] std::string_view name_of(Coding coding) noexcept;

/// What a client takes. Without an Accept-Encoding in its request: what this is when it is made.
struct AcceptedCodings {
  Coding best = Coding::kIdentity;  ///< of those that are served here
  bool identity = true;             ///< whether an answer may go as it is

  /// Whether there is any way to answer.
  [[nodiscard]] bool any() const noexcept { return identity || best != Coding::kIdentity; }
};

/// Reads the value of Accept-Encoding; of several fields, their values with commas between. A member that is malformed
/// is as good as absent, since it says nothing that could be honoured. Of two codings that are wanted alike, the one
/// that packs better; a compressed one before identity, unless the client wants that more.
[[nodiscard]] AcceptedCodings read_accept_encoding(std::string_view value) noexcept;

/// Compresses the body of an answer where that is of use: a success of `compress_bytes_min` or more, of a type that is
/// text, and only when it becomes smaller. A client that forbids identity gets small ones compressed as well. Needs as
/// much memory again as the body, and some hundred KB while it works.
///
/// Sets `content_encoding`, and `varies` where another client would get the answer in another coding.
void encode_content(const AcceptedCodings& accepted, const HttpOptions& options, ApiResponse* response) noexcept;

}  // namespace cairn::serving
