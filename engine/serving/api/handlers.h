#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/engine.h"
#include "engine/serving/admission/admission.h"
#include "engine/serving/api/conditional.h"
#include "engine/serving/api/message.h"
#include "engine/serving/api/request_memo.h"
#include "engine/serving/metrics/metrics.h"

namespace cairn::serving {

/// What the API has to know of the server around it.
struct ApiOptions {
  std::string checkpoints_dir = {};                ///< HttpOptions::checkpoints_dir
  std::string models_dir = {};                     ///< HttpOptions::models_dir
  Reuse lists_reuse = {};                          ///< of answers for nobody in particular
  std::string places_reuse = "public, no-cache";   ///< Cache-Control of places
  std::function<std::size_t()> client_bytes = {};  ///< what the server holds for its clients; empty: not known
  std::size_t offset_waits_max = 1;                ///< recommendations that may wait for their min_offset
};

/// What each route does: reads the request's JSON, asks the engine, writes the answer's JSON. Knows nothing of sockets.
///
/// `engine`, `admission` and `metrics` must outlive it. Threads: every method from any thread.
class Handlers {
 public:
  Handlers(Engine& engine, const Admission& admission, Metrics& metrics, ApiOptions options)
      : engine_(engine), admission_(admission), metrics_(metrics), options_(std::move(options)) {}

  ApiResponse recommend(const ApiRequest& request) const;
  ApiResponse recommend_to_all(const ApiRequest& request) const;
  // From memory alone; false: nothing is kept. What was read of the request stays with it.
  bool recommend_at_once(ApiRequest& request, ApiResponse* response) const;
  bool recommend_to_all_at_once(ApiRequest& request, ApiResponse* response) const;
  ApiResponse ingest(const ApiRequest& request) const;
  ApiResponse check_events(const ApiRequest& request) const;
  ApiResponse retract_event(const ApiRequest& request) const;
  ApiResponse replace_event(const ApiRequest& request) const;
  ApiResponse get_online_features(const ApiRequest& request) const;
  ApiResponse get_features(const ApiRequest& request) const;
  ApiResponse list_feature_views(const ApiRequest& request) const;
  ApiResponse list_ranking_features(const ApiRequest& request) const;
  ApiResponse get_place(const ApiRequest& request) const;
  ApiResponse upsert_places(const ApiRequest& request) const;
  ApiResponse delete_place(const ApiRequest& request) const;
  ApiResponse delete_places(const ApiRequest& request) const;
  ApiResponse list_categories(const ApiRequest& request) const;
  ApiResponse rename_category(const ApiRequest& request) const;
  ApiResponse merge_category(const ApiRequest& request) const;
  ApiResponse erase_user(const ApiRequest& request) const;
  ApiResponse export_user(const ApiRequest& request) const;
  ApiResponse status(const ApiRequest& request) const;
  ApiResponse checkpoint(const ApiRequest& request) const;
  ApiResponse model(const ApiRequest& request) const;
  ApiResponse activate_model(const ApiRequest& request) const;
  ApiResponse answer_cache(const ApiRequest& request) const;
  ApiResponse invalidate_answers(const ApiRequest& request) const;
  ApiResponse warm_answers(const ApiRequest& request) const;
  ApiResponse wait_caught_up(const ApiRequest& request) const;
  ApiResponse retry_consumer(const ApiRequest& request) const;
  ApiResponse accept_gap(const ApiRequest& request) const;
  ApiResponse live(const ApiRequest& request) const;
  ApiResponse ready(const ApiRequest& request) const;
  ApiResponse metrics(const ApiRequest& request) const;
  ApiResponse openapi(const ApiRequest& request) const;

  /// From here on /readyz answers 503, so that load balancers look elsewhere.
  void set_draining() noexcept { draining_.store(true, std::memory_order_relaxed); }

 private:
  /// Engine::recommend, but of those that wait for an offset no more than may.
  [[nodiscard]] Result<Recommendations> ask(const CallContext& call, const RecommendRequest& request) const;

  Engine& engine_;
  const Admission& admission_;  ///< only its counts are read
  Metrics& metrics_;
  const ApiOptions options_;
  std::atomic<bool> draining_{false};
  mutable std::atomic<std::size_t> offset_waits_{0};  ///< that are under way
  // Of 3 KiB each at most, 1 KiB mostly.
  mutable RequestMemo posts_{4096};  ///< of POST /v1/recommendations, by their bodies
  mutable RequestMemo lists_{1024};  ///< of GET /v1/recommendations, by their targets
};

/// The document behind GET /openapi.json (openapi.json beside this file, embedded at build time).
[[nodiscard]] std::string_view openapi_document() noexcept;

}  // namespace cairn::serving
