#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::cli {

/// "http://host:port", taken apart.
struct ServerAddress {
  std::string host;
  std::string port;
};

/// Returns: INVALID_ARGUMENT for anything but http://HOST[:PORT][/]; IPv6 addresses stand in brackets.
[[nodiscard]] Result<ServerAddress> parse_server_url(std::string_view url);

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view target;  ///< path and query, percent-encoded
  std::string_view body = {};
  std::string_view content_type = "application/json";
  std::string_view idempotency_key = {};  ///< empty: none is sent
  std::chrono::milliseconds timeout{30'000};
  bool* unanswered =
      nullptr;  ///< where not null: set to whether the server may have read the request without an answer
};

struct HttpReply {
  int code = 0;
  std::string body;
  int retry_after_seconds = 0;  ///< 0: the server named none
};

/// Sends one request on a connection of its own and reads the answer, of at most 256 MiB.
/// Returns: UNAVAILABLE when there is no connection or no answer to be had; DEADLINE_EXCEEDED past `timeout`.
[[nodiscard]] Result<HttpReply> send_request(const ServerAddress& server, const HttpRequest& request);

/// Percent-encodes what may not stand in one segment of a path, or in a query's value.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace cairn::cli
