#pragma once

#include <span>
#include <string_view>

#include "engine/serving/admission/call.h"
#include "engine/serving/api/message.h"
#include "engine/serving/api/time_limit.h"

namespace cairn::serving {

class Handlers;

/// One line of the API. openapi.json describes exactly these.
struct Route {
  std::string_view method;   ///< "GET", "POST", "PUT" or "DELETE"
  std::string_view pattern;  ///< "/v1/places/{id}"; also the metrics' `route` label
  Lane lane;
  TimeLimit time;
  ApiResponse (Handlers::*handle)(const ApiRequest&) const;
  /// Answers on the thread that submits, from memory alone, where that is possible; null: it never is.
  bool (Handlers::*answer_at_once)(ApiRequest&, ApiResponse*) const = nullptr;
};

/// Every route, in a fixed order.
[[nodiscard]] std::span<const Route> routes() noexcept;

/// Whether a request asks how the server is (GET /healthz, /livez, /readyz, /metrics), which it is told when nothing
/// else is answered.
[[nodiscard]] bool is_probe(std::string_view method, std::string_view target) noexcept;

/// Finds the route of `request` and decodes its path parameters and query into it.
///
/// Returns null and fills `refusal` when there is none: 404; 405 with Allow when the path exists for other methods; 400
/// for percent-encoding or UTF-8 that is malformed.
[[nodiscard]] const Route* match_route(ApiRequest& request, ApiResponse& refusal);

}  // namespace cairn::serving
