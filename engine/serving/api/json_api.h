#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "cairn/engine.h"
#include "engine/serving/admission/admission.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/message.h"
#include "engine/serving/api/routes.h"
#include "engine/serving/metrics/metrics.h"

namespace cairn::serving {

/// The HTTP/JSON codec: finds a request's route and deadline, submits it to admission, and gives back the answer of its
/// handler or the refusal.
///
/// `engine` and `admission` must outlive it, and `admission` must have been stopped before it is destroyed: calls refer
/// to it. Threads: every method from any thread.
class JsonApi {
 public:
  using Done = std::function<void(ApiResponse)>;

  explicit JsonApi(Engine& engine, Admission& admission, ApiOptions options = {});

  /// Calls `done` exactly once, from this thread or one of admission's. A handler's exception becomes the answer 500.
  /// Returns: whether it is worth telling `ApiRequest::cancel` that the client has hung up; a call that changes
  /// something goes on all the same.
  bool handle(std::shared_ptr<ApiRequest> request, Done done);

  /// Counts an answer that was given before there was a whole request to handle.
  void count_refusal(const ApiResponse& response);

  void set_draining() noexcept { handlers_.set_draining(); }
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }

 private:
  /// nullopt: it has to be handled in its lane.
  [[nodiscard]] std::optional<ApiResponse> answered_at_once(const Route& route, ApiRequest& request) const;
  void finish(const Route* route, const ApiRequest& request, ApiResponse response, const Done& done);

  Admission& admission_;
  Metrics metrics_;
  Handlers handlers_;
};

}  // namespace cairn::serving
