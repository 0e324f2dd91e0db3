#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace cairn::bench {

/// What an HTTP server over Boost.Beast does at least: reads a request, answers 200 with the same body to all of them,
/// on one thread, without limits, timeouts, routes or counts. It serves from its construction to its destruction.
class BareResponder {
 public:
  explicit BareResponder(std::string body);
  ~BareResponder();
  BareResponder(const BareResponder&) = delete;
  BareResponder& operator=(const BareResponder&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::bench
