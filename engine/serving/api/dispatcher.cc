#include "engine/serving/api/dispatcher.h"

#include <algorithm>
#include <utility>

namespace cairn::serving {
namespace {

std::vector<std::string> route_labels() {
  std::vector<std::string> labels;
  for (const Route& route : routes()) labels.emplace_back(route.pattern);
  return labels;
}

std::size_t index_of(const Route& route) { return static_cast<std::size_t>(&route - routes().data()); }

constexpr std::size_t slot(Lane lane) { return static_cast<std::size_t>(lane); }

}  // namespace

Dispatcher::Dispatcher(Engine& engine, int threads) : metrics_(route_labels()), handlers_(engine, metrics_) {
  // Reads get threads to spare: one that waits for min_offset sleeps on its thread.
  lanes_[slot(Lane::kRead)] = std::make_unique<WorkerPool>(std::max(8, 4 * threads), 1024);
  lanes_[slot(Lane::kWrite)] = std::make_unique<WorkerPool>(4, 256);
  lanes_[slot(Lane::kWait)] = std::make_unique<WorkerPool>(4, 16);
  lanes_[slot(Lane::kProbe)] = std::make_unique<WorkerPool>(1, 64);
}

void Dispatcher::dispatch(std::shared_ptr<ApiRequest> request, Done done) {
  ApiResponse refusal;
  const Route* route = match_route(*request, refusal);
  if (!route) return finish(Metrics::kOtherRoute, *request, std::move(refusal), done);
  if (route->lane == Lane::kInline) return run(*route, *request, done);
  const bool taken = lanes_[slot(route->lane)]->submit([this, route, request, done] { run(*route, *request, done); });
  if (taken) return;
  finish(index_of(*route), *request,
         error_response(resource_exhausted("the server has as much work queued as it may; try again in a moment")),
         done);
}

void Dispatcher::count_refusal(const ApiResponse& response) {
  metrics_.observe_request(Metrics::kOtherRoute, response.http_code, std::chrono::nanoseconds(0));
}

void Dispatcher::stop() {
  for (const auto& lane : lanes_) {
    if (lane) lane->stop();
  }
}

void Dispatcher::run(const Route& route, const ApiRequest& request, const Done& done) {
  finish(index_of(route), request, (handlers_.*route.handle)(request), done);
}

void Dispatcher::finish(std::size_t route, const ApiRequest& request, ApiResponse response, const Done& done) {
  metrics_.observe_request(route, response.http_code, std::chrono::steady_clock::now() - request.received);
  done(std::move(response));
}

}  // namespace cairn::serving
