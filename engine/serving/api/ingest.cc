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

}  // namespace

ApiResponse Handlers::ingest(const ApiRequest& request) const {
  const Result<std::vector<std::string_view>> events = split_records(request);
  if (!events.ok()) return error_response(events.status());
  const Result<IngestAck> ack = engine_.ingest(request.context, *events);
  if (!ack.ok()) return error_response(ack.status());
  return json_response(write_ack(*ack), 202);
}

}  // namespace cairn::serving
