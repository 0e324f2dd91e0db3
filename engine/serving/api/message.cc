#include "engine/serving/api/message.h"

#include "engine/serving/json/writer.h"

namespace cairn::serving {

CallContext ApiRequest::context_within(std::chrono::milliseconds time) const {
  CallContext within = context;
  within.deadline = received + time;
  return within;
}

std::vector<std::string> ApiRequest::query_values(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

int http_code_of(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
      return 400;
    case StatusCode::kUnauthenticated:
      return 401;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted:
      return 409;
    case StatusCode::kCancelled:
      return 499;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kUnavailable:
    case StatusCode::kResourceExhausted:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    case StatusCode::kUnknown:
    case StatusCode::kInternal:
    case StatusCode::kDataLoss:
      return 500;
  }
  return 500;
}

ApiResponse error_response(int http_code, const Status& status) {
  json::Writer out;
  out.begin_object().key("error").begin_object();
  out.key("code").text(to_string(status.code()));
  out.key("message").text(status.message());
  out.end_object().end_object();
  ApiResponse response = json_response(std::move(out).take(), http_code);
  response.status = status.code();
  // What is exhausted here frees itself within moments, or not for a long time; a second suits both.
  if (http_code == 503) response.retry_after_seconds = 1;
  return response;
}

ApiResponse error_response(const Status& status) { return error_response(http_code_of(status.code()), status); }

ApiResponse json_response(std::string body, int http_code) {
  ApiResponse response;
  response.http_code = http_code;
  response.body = std::move(body);
  return response;
}

}  // namespace cairn::serving
