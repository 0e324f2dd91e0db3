#include "engine/serving/api/json_api.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "engine/serving/api/conditional.h"
#include "engine/serving/api/time_limit.h"

namespace cairn::serving {
namespace {

std::vector<std::string> route_labels() {
  std::vector<std::string> labels;
  for (const Route& route : routes()) labels.emplace_back(route.pattern);
  return labels;
}

std::size_t index_of(const Route* route) {
  return route ? static_cast<std::size_t>(route - routes().data()) : Metrics::kOtherRoute;
}

/// What handlers call is code of others, and it may run out of memory: that is one request's failure, not the server's.
ApiResponse guarded(const Handlers& handlers, const Route& route, const ApiRequest& request) {
  try {
    return (handlers.*route.handle)(request);
  } catch (const std::exception& thrown) {
    return error_response(internal_error("the request failed inside the server: " + std::string(thrown.what())));
  } catch (...) {
    return error_response(internal_error("the request failed inside the server"));
  }
}

}  // namespace

JsonApi::JsonApi(Engine& engine, Admission& admission, ApiOptions options)
    : admission_(admission), metrics_(route_labels()), handlers_(engine, admission, metrics_, std::move(options)) {}

bool JsonApi::handle(std::shared_ptr<ApiRequest> request, Done done) {
  ApiResponse refusal;
  const Route* route = match_route(*request, refusal);
  if (!route) {
    finish(route, *request, std::move(refusal), done);
    return false;
  }
  if (const auto time = time_allowed(route->time, request->body)) request->context.deadline = request->received + *time;
  if (auto response = answered_at_once(*route, *request)) {
    // Counted as what is answered on this thread always.
    admission_.submit(Lane::kInline,
                      {.context = std::move(request->context),
                       .cancel = request->cancel,
                       .run = [&](const CallContext&) { finish(route, *request, *std::move(response), done); },
                       .refuse = [&](const Status& why) { finish(route, *request, error_response(why), done); }});
    return false;
  }
  Call call{.context = std::move(request->context), .cancel = request->cancel};
  call.run = [this, route, request, done](CallContext context) {
    request->context = std::move(context);
    finish(route, *request, guarded(handlers_, *route, *request), done);
  };
  call.refuse = [this, route, request, done = std::move(done)](const Status& why) {
    finish(route, *request, error_response(why), done);
  };
  admission_.submit(route->lane, std::move(call));
  return route->lane == Lane::kRead;
}

std::optional<ApiResponse> JsonApi::answered_at_once(const Route& route, ApiRequest& request) const {
  if (route.answer_at_once == nullptr || request.wants_coding) return std::nullopt;
  try {
    ApiResponse response;
    if ((handlers_.*route.answer_at_once)(request, &response)) return response;
  } catch (const std::exception&) {  // whoever handles it fails alike, and says so
  }
  return std::nullopt;
}

void JsonApi::count_refusal(const ApiResponse& response) {
  metrics_.observe_request(Metrics::kOtherRoute, response.http_code, std::chrono::nanoseconds(0));
}

void JsonApi::finish(const Route* route, const ApiRequest& request, ApiResponse response, const Done& done) {
  answer_condition(request, &response);
  const auto took = std::chrono::steady_clock::now() - request.received;
  metrics_.observe_request(index_of(route), response.http_code, took);
  // Here and not in the handler, so that those that never reached it are counted as well.
  const bool recommends =
      route && (route->handle == &Handlers::recommend || route->handle == &Handlers::recommend_to_all);
  if (recommends) metrics_.observe_recommendation(response.status, took);
  done(std::move(response));
}

}  // namespace cairn::serving
