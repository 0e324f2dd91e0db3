#pragma once

#include <array>
#include <functional>
#include <memory>

#include "cairn/engine.h"
#include "cairn/log.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/message.h"
#include "engine/serving/api/routes.h"
#include "engine/serving/api/worker_pool.h"
#include "engine/serving/metrics/metrics.h"

namespace cairn::serving {

/// Takes a complete request to its handler, on the threads of the route's lane, and its answer back.
///
/// `engine` must outlive it. Threads: every method from any thread, `stop` not from a handler.
class Dispatcher {
 public:
  using Done = std::function<void(ApiResponse)>;

  /// `threads`: the server's socket threads, which the lanes are sized after.
  Dispatcher(Engine& engine, int threads);

  /// Calls `done` exactly once, from this thread or a lane's, unless `stop` comes first.
  void dispatch(std::shared_ptr<ApiRequest> request, Done done);

  /// Counts an answer that was given before there was a whole request to dispatch.
  void count_refusal(const ApiResponse& response);

  void set_draining() noexcept { handlers_.set_draining(); }
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }

  /// Drops what is queued, waits for handlers that run.
  void stop();

 private:
  void run(const Route& route, const ApiRequest& request, const Done& done);
  void finish(std::size_t route, const ApiRequest& request, ApiResponse response, const Done& done);

  Metrics metrics_;
  Handlers handlers_;
  std::array<std::unique_ptr<WorkerPool>, kLanes> lanes_;  // none for kInline
};

}  // namespace cairn::serving
