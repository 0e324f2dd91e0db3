#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "cairn/engine.h"
#include "cairn/http_options.h"
#include "cairn/status.h"

namespace cairn::serving {

/// The HTTP/JSON API (GET /openapi.json describes it) over one engine. Sockets are served by `threads` threads;
/// handlers run in bounded pools, apart for reads, writes, long waits and probes, so that what blocks in the engine
/// stalls no other connection. A full pool answers 503 with Retry-After at once.
///
/// Threads: every method from any thread. Owns its threads. It has no authentication and no TLS: listen on a
/// trusted network, or behind a proxy.
class HttpServer {
 public:
  /// Binds and starts serving. `engine` must outlive the server.
  /// Returns: ALREADY_EXISTS when the port is taken; PERMISSION_DENIED when this user may not bind it; INVALID_ARGUMENT
  /// for an address that is none of this machine's, or limits of zero.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(HttpOptions options, Engine& engine);

  /// Cuts off what is still in flight (`drain` first to let it finish), then waits for handlers that are inside the
  /// engine; Engine::close ends the long waits among them.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The port bound.
  [[nodiscard]] std::uint16_t port() const;

  /// Readiness goes false, whoever is connected already is accepted and nobody else, requests in flight finish, but
  /// for those that wait for what others bring (CallContext::stopping), which get 503, and connections between requests
  /// close once they have sent one more or HttpOptions::drain_idle has passed. All of it takes at most `limit`
  /// (HttpOptions::drain_timeout is meant for it). Returns whether all did; false when some were cut off: what was
  /// being handled was answered 503. Idempotent.
  bool drain(std::chrono::milliseconds limit);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::serving
