#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/engine_status.h"
#include "cairn/status.h"
#include "engine/serving/admission/call.h"

namespace cairn::serving {

/// Counts what the server does and writes it, with the engine's own numbers, as Prometheus text. Label values come from
/// closed sets only (routes, codes, tiers, configured sources): never an id.
///
/// Threads: every method from any thread.
class Metrics {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  /// `routes`: the closed set of route labels; requests are counted by index into it, and by kOtherRoute when they fit
  /// none.
  explicit Metrics(std::vector<std::string> routes);
  ~Metrics();
  static constexpr std::size_t kOtherRoute = static_cast<std::size_t>(-1);

  void observe_request(std::size_t route, int http_code, std::chrono::nanoseconds took);
  void observe_recommendation(StatusCode code, std::chrono::nanoseconds took);
  void connection_opened() noexcept { connections_.fetch_add(1, std::memory_order_relaxed); }
  void connection_closed() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }

  /// What became of the calls of one lane.
  struct LaneSample {
    std::string_view lane;
    LaneCounts counts;
  };

  /// A connection was closed, because its place was needed for another.
  void connection_displaced() noexcept { displaced_.fetch_add(1, std::memory_order_relaxed); }

  /// The whole exposition, format 0.0.4. `client_bytes`: what the server holds for its clients.
  [[nodiscard]] std::string render(const EngineStatus& status, std::span<const LaneSample> lanes,
                                   std::size_t client_bytes = 0) const;

 private:
  struct Instruments;
  std::unique_ptr<Instruments> instruments_;
  std::atomic<std::int64_t> connections_{0};
  std::atomic<std::uint64_t> displaced_{0};
};

}  // namespace cairn::serving
