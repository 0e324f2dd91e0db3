#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cairn::bench {

/// What an HTTP server over Boost.Beast does at least: reads a request, answers 200 with a body that is there already,
/// on one thread, without limits, timeouts, routes or counts. It serves from its construction to its destruction.
class BareResponder {
 public:
  /// All get the same.
  explicit BareResponder(std::string body);
  /// Whoever asks next gets the next of `order`, which begins anew when it ends. Requires: its numbers are of `bodies`.
  BareResponder(std::vector<std::string> bodies, std::vector<std::uint32_t> order);
  ~BareResponder();
  BareResponder(const BareResponder&) = delete;
  BareResponder& operator=(const BareResponder&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::bench
