#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cairn/log.h"

namespace cairn {

/// How the HTTP API listens, and its limits. Every limit bounds what a stranger can make the process hold. Section
/// [http] of the configuration fills it; a program that embeds the server fills it itself.
struct HttpOptions {
  std::string address = "127.0.0.1";  ///< a numeric IPv4 or IPv6 address; "0.0.0.0" or "::" for every interface
  std::uint16_t port = 7077;          ///< 0: any free one, see HttpServer::port
  /// Consent to an address beyond loopback, because the API asks nobody for a password. The configuration's check
  /// insists on it; a server that is started by a program listens where it is told.
  bool allow_remote = false;
  int threads = 1;  ///< socket threads; handlers have their own
  std::size_t header_bytes_max = 8 * 1024;
  std::size_t body_bytes_max = 1 << 20;
  std::size_t connections_max = 1024;
  std::chrono::milliseconds request_timeout{5'000};  ///< to read one request from its first byte; to write its answer
  std::chrono::milliseconds idle_timeout{60'000};    ///< a connection between requests
  std::chrono::milliseconds drain_timeout{10'000};   ///< how long a stop waits for requests in flight
  Logger log = {};
};

}  // namespace cairn
