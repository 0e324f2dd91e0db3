#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/status.h"

namespace cairn::serving {

struct TimedRequest;

/// What a handler sees of one HTTP request. Independent of the library that read it from the socket.
struct ApiRequest {
  std::string method;  ///< as sent; HEAD is served as GET, its body is left out later
  std::string target;  ///< path and query, still percent-encoded
  std::string content_type;
  /// Of the header Idempotency-Key, as it came; empty, which is no key, when there are several.
  std::optional<std::string> idempotency_key;
  /// Of the header Accept-Language, as it came; empty when there is none.
  std::string accept_language;
  std::optional<std::string> if_none_match;  ///< of the header of that name; of several, with commas between
  std::string body;
  std::chrono::steady_clock::time_point received;  ///< when the last byte had been read
  CallContext context;      ///< what the call to the engine begins with; its trace id is the request's id
  std::stop_source cancel;  ///< stop is requested when nobody waits for the answer any more

  /// Whether the answer is to be compressed when it is large, which takes longer than giving one that is kept.
  bool wants_coding = false;
  /// What has been read of it already, where it asks for recommendations.
  std::shared_ptr<const TimedRequest> recommendation = {};

  std::vector<std::string> path_parameters;                ///< decoded, in the pattern's order; set by the router
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded; set by the router

  /// The context with a deadline of `time` after the request was received: what it waited in our queue is the caller's
  /// time.
  [[nodiscard]] CallContext context_within(std::chrono::milliseconds time) const;

  /// Every value of a query parameter, in order.
  [[nodiscard]] std::vector<std::string> query_values(std::string_view name) const;
};

/// What goes back. `status` is what the answer says in gRPC's terms, for metrics and logs.
struct ApiResponse {
  int http_code = 200;
  StatusCode status = StatusCode::kOk;
  std::string_view content_type = kJson;
  std::shared_ptr<const std::string> shared_body = {};  ///< what goes before `body`, of many answers; null: nothing
  std::string body;
  std::string allow;                       ///< methods, with 405
  int retry_after_seconds = 0;             ///< > 0 with 503
  bool close = false;                      ///< end the connection after this answer
  std::string_view content_encoding = {};  ///< of the body, by its name in HTTP; empty: as it is
  bool varies = false;                     ///< whether other clients get it in another coding

  // What others may keep of it. As they stand here: nobody may keep anything.
  std::string cache_control;      ///< empty: kForNobody
  std::string etag;               ///< with its quotes; empty: none
  std::string content_location;   ///< by what other address the same is had; empty: by none
  std::uint64_t age_seconds = 0;  ///< since it was made, where that was not for this request

  [[nodiscard]] std::size_t body_bytes() const noexcept {
    return body.size() + (shared_body ? shared_body->size() : 0);
  }

  /// "private" besides, for caches that know it and not the other.
  static constexpr std::string_view kForNobody = "private, no-store";

  static constexpr std::string_view kJson = "application/json";
};

/// The HTTP code for a status code, as google/rpc/code.proto maps them, with one difference: RESOURCE_EXHAUSTED is 503,
/// not 429, because what is exhausted here is always the server's own (queue, disk), never a caller's quota.
[[nodiscard]] int http_code_of(StatusCode code) noexcept;

/// {"error":{"code":"NOT_FOUND","message":"..."}} with the code's own HTTP code. 503 carries Retry-After.
[[nodiscard]] ApiResponse error_response(const Status& status);
/// The same with an HTTP code that says more than the mapped one (405, 413, 431).
[[nodiscard]] ApiResponse error_response(int http_code, const Status& status);

[[nodiscard]] ApiResponse json_response(std::string body, int http_code = 200);

}  // namespace cairn::serving
