#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
  /// Recommendations and features that are under way at a time, each on a thread of its own; more of them wait. One
  /// that waits for the scan of its batch is under way, so batches are no larger.
  int reads = 128;
  /// How many more may wait for such a thread. Those beyond are refused at once, and so is who would wait longer than
  /// his deadline allows, as fast as requests have ended lately.
  int reads_queue = 1024;
  std::size_t header_bytes_max = 8 * 1024;
  std::size_t body_bytes_max = 1 << 20;
  /// One address may hold three quarters of them. When there is no place left, the connection that has waited longest
  /// for a request is closed for a new one. kReservedConnections more are for probes (/healthz, /readyz, /metrics).
  std::size_t connections_max = 1024;
  /// All that clients can make the server hold: connections, unfinished requests, bodies, answers that were not sent
  /// yet. Beyond it requests are refused. At least memory_bytes_min().
  std::size_t memory_bytes_max = 64 << 20;
  std::chrono::milliseconds request_timeout{5'000};  ///< to read one request from its first byte; to write its answer
  std::chrono::milliseconds idle_timeout{60'000};    ///< a connection between requests
  std::chrono::milliseconds drain_timeout{10'000};   ///< how long a stop waits for requests in flight
  /// Of drain_timeout, how long a stop leaves connections open that are between requests: a client may be sending one
  /// just then, and would not learn whether it was served. It is answered, with "Connection: close".
  std::chrono::milliseconds drain_idle{250};
  /// Whether answers of `compress_bytes_min` or more go compressed (gzip; br where the build has it) to clients that
  /// ask for it.
  bool compress = true;
  std::size_t compress_bytes_min = 1024;
  // For how long what is the same for all may be kept by clients and by caches between. 0: they ask each time whether
  // it is still the same.
  std::chrono::seconds list_max_age{30};         ///< answers for nobody in particular: by a client
  std::chrono::seconds list_shared_max_age{30};  ///< by a cache that many clients share
  std::chrono::seconds list_stale{30};  ///< for so long after that a cache may give it while it asks for a new one
  std::chrono::seconds place_max_age{60};
  /// Names, without port, under which clients may call the server (the Host header; IPv6 addresses in brackets). On a
  /// loopback address "localhost", "127.0.0.1", "[::1]" and the address itself are allowed besides, so that no web page
  /// can reach the server under its own name. On any other address an empty list allows every name.
  std::vector<std::string> hosts = {};
  /// The folder that POST /v1/checkpoint makes its copies in; created when absent. Empty: that call is refused.
  std::string checkpoints_dir = {};
  /// The folder in which POST /v1/model/activate may name a model's directory. Empty: that call is refused.
  std::string models_dir = {};
  Logger log = {};

  static constexpr std::size_t kReservedConnections = 64;
  static constexpr std::size_t kConnectionBytes = 8 * 1024;  ///< of memory_bytes_max, set apart for each connection

  /// What memory_bytes_max must be at least: all connections, and beside them twice the largest request.
  [[nodiscard]] constexpr std::size_t memory_bytes_min() const noexcept {
    return connections_bytes() + 2 * (header_bytes_max + body_bytes_max);
  }
  [[nodiscard]] constexpr std::size_t connections_bytes() const noexcept {
    return (connections_max + kReservedConnections) * kConnectionBytes;
  }
};

}  // namespace cairn
