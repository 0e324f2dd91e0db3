#include <algorithm>
#include <string_view>

#include "engine/serving/api/body.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"

namespace cairn::serving {
namespace {

void write_rejections(json::Writer& out, const IngestAck& ack) {
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
  out.end_array();
}

std::string why_nothing_was_taken(const IngestAck& ack) {
  const std::string count = ack.rejected == 1 ? "the event" : "none of the " + std::to_string(ack.rejected) + " events";
  const std::string first = ack.rejections.empty() ? std::string() : ": " + ack.rejections.front().reason;
  return count + (ack.rejected == 1 ? " was not taken" : " was taken") + first;
}

/// 202; and 400 when there was nothing to take, for a caller who looks at the code alone.
ApiResponse ack_response(const IngestAck& ack) {
  const bool nothing = ack.accepted == 0;
  json::Writer out;
  out.begin_object();
  if (nothing) {
    out.key("error").begin_object();
    out.key("code").text(to_string(StatusCode::kInvalidArgument));
    out.key("message").text(why_nothing_was_taken(ack));
    out.end_object();
  }
  write_rejections(out, ack);
  out.key("reflected_at");
  write_watermark(out, ack.reflected_at);
  out.end_object();
  ApiResponse response = json_response(std::move(out).take(), nothing ? 400 : 202);
  if (nothing) response.status = StatusCode::kInvalidArgument;
  return response;
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

ApiResponse correction_response(const std::string& event_id, const CorrectionAck& ack) {
  json::Writer out;
  out.begin_object();
  out.key("event_id").text(event_id);
  out.key("found_in").text(ack.found_in);
  if (!ack.replaced_by.empty()) out.key("replaced_by").text(ack.replaced_by);
  out.key("reflected_at");
  write_watermark(out, ack.reflected_at);
  out.end_object();
  return json_response(std::move(out).take(), 202);
}

}  // namespace

ApiResponse Handlers::ingest(const ApiRequest& request) const {
  const Result<std::string_view> key = key_of(request);
  if (!key.ok()) return error_response(key.status());
  const Result<std::vector<std::string_view>> events = split_records(request);
  if (!events.ok()) return error_response(events.status());
  const Result<IngestAck> ack = engine_.ingest(request.context, *events, *key);
  if (!ack.ok()) return error_response(ack.status());
  return ack_response(*ack);
}

ApiResponse Handlers::check_events(const ApiRequest& request) const {
  const Result<std::vector<std::string_view>> events = split_records(request);
  if (!events.ok()) return error_response(events.status());
  const Result<IngestAck> judged = engine_.check_events(request.context, *events);
  if (!judged.ok()) return error_response(judged.status());
  json::Writer out;
  out.begin_object();
  write_rejections(out, *judged);
  out.end_object();
  return json_response(std::move(out).take());
}

/// The body, where there is one, is the event as it was sent.
ApiResponse Handlers::retract_event(const ApiRequest& request) const {
  EventCorrection correction{.event_id = request.path_parameters.at(0), .original = {}, .replacement = {}};
  if (request.body.find_first_not_of(" \t\r\n") != std::string_view::npos) {
    const Result<std::vector<std::string_view>> records = split_records(request);
    if (!records.ok()) return error_response(records.status());
    if (records->size() != 1) return error_response(invalid_argument("the body is the one event to retract, or empty"));
    correction.original = records->front();
  }
  const Result<CorrectionAck> ack = engine_.correct_event(request.context, correction);
  if (!ack.ok()) return error_response(ack.status());
  return correction_response(correction.event_id, *ack);
}

/// The body is what counts instead; or two records, the event as it was sent and what counts instead.
ApiResponse Handlers::replace_event(const ApiRequest& request) const {
  const Result<std::vector<std::string_view>> records = split_records(request);
  if (!records.ok()) return error_response(records.status());
  if (records->size() > 2) {
    return error_response(invalid_argument("the body is the new event, or the old one and the new one"));
  }
  EventCorrection correction{.event_id = request.path_parameters.at(0), .original = {}, .replacement = records->back()};
  if (records->size() == 2) correction.original = records->front();
  const Result<CorrectionAck> ack = engine_.correct_event(request.context, correction);
  if (!ack.ok()) return error_response(ack.status());
  return correction_response(correction.event_id, *ack);
}

}  // namespace cairn::serving
