#include <algorithm>
#include <string_view>

#include "engine/serving/api/body.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"

namespace cairn::serving {
namespace {

std::string write_ack(const IngestAck& ack) {
  json::Writer out;
  out.begin_object();
  out.key("accepted").unsigned_integer(ack.accepted);
  out.key("rejected").unsigned_integer(ack.rejected);
  out.key("repeated").boolean(ack.repeated);
  out.key("rejections").begin_array();
  for (const IngestAck::Rejection& rejection : ack.rejections) {
    out.begin_object();
    out.key("index").unsigned_integer(rejection.index);
    out.key("reason").text(rejection.reason);
    out.end_object();
  }
  out.end_array().key("reflected_at");
  write_watermark(out, ack.reflected_at);
  out.end_object();
  return std::move(out).take();
}

/// The key without the quotes that a structured field (RFC 9651) has; empty when there is no such header.
/// Returns: INVALID_ARGUMENT.
Result<std::string_view> key_of(const ApiRequest& request) {
  if (!request.idempotency_key) return std::string_view();
  std::string_view key = *request.idempotency_key;
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') key = key.substr(1, key.size() - 2);
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
  if (printable && !key.empty() && key.size() <= 255) return key;
  return invalid_argument("there may be one Idempotency-Key, of 1 to 255 printable ASCII characters");
}

}  // namespace

ApiResponse Handlers::ingest(const ApiRequest& request) const {
  const Result<std::string_view> key = key_of(request);
  if (!key.ok()) return error_response(key.status());
  const Result<std::vector<std::string_view>> events = split_records(request);
  if (!events.ok()) return error_response(events.status());
  const Result<IngestAck> ack = engine_.ingest(request.context, *events, *key);
  if (!ack.ok()) return error_response(ack.status());
  return json_response(write_ack(*ack), 202);
}

}  // namespace cairn::serving
