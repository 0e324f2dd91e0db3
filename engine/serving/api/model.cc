#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/model_path.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

void write_count_or_null(json::Writer& out, const std::optional<std::uint64_t>& count) {
  count ? out.unsigned_integer(*count) : out.null();
}

void write_failure(json::Writer& out, const ModelFailure& failure) {
  out.begin_object();
  out.key("at");
  write_time_or_null(out, failure.at);
  out.key("directory").text(failure.directory);
  out.key("reason").text(failure.reason);
  out.end_object();
}

void write_ranker(json::Writer& out, const RankerStatus& ranker) {
  out.begin_object();
  out.key("configured").text(ranker.configured);
  out.key("as_configured").boolean(ranker.as_configured());
  out.key("directory").text(ranker.directory);
  out.key("version").unsigned_integer(ranker.version);
  out.key("network").boolean(ranker.network);
  out.key("last_failure");
  ranker.last_failure ? write_failure(out, *ranker.last_failure) : static_cast<void>(out.null());
  out.end_object();
}

}  // namespace

void write_model(json::Writer& out, const ModelStatus& model) {
  out.begin_object();
  out.key("in_force").boolean(model.in_force());
  out.key("configured").text(model.configured);
  out.key("as_configured").boolean(model.as_configured());
  if (model.in_force()) {
    out.key("directory").text(model.directory);
    out.key("version").text(model.version);
    out.key("kind").text(model.kind);
    out.key("items").unsigned_integer(model.items);
    out.key("segments").unsigned_integer(model.segments);
    out.key("items_without_place");
    write_count_or_null(out, model.items_without_place);
    out.key("places_without_item");
    write_count_or_null(out, model.places_without_item);
    out.key("memory_bytes").unsigned_integer(model.memory_bytes);
    out.key("loaded");
    write_time_or_null(out, model.loaded);
  }
  out.key("last_failure");
  model.last_failure ? write_failure(out, *model.last_failure) : static_cast<void>(out.null());
  out.key("ranker");
  write_ranker(out, model.ranker);
  out.end_object();
}

ApiResponse Handlers::model(const ApiRequest& request) const {
  json::Writer out;
  write_model(out, engine_.status(request.context).model);
  return json_response(std::move(out).take());
}

ApiResponse Handlers::activate_model(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  const std::string name = fields.text("dir").value_or("");
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  const Result<std::string> path = model_path(options_.models_dir, name);
  if (!path.ok()) return error_response(path.status());
  const Result<ModelStatus> model = engine_.activate_model(request.context, *path, ModelChoice::kForNow);
  if (!model.ok()) return error_response(model.status());
  json::Writer out;
  write_model(out, *model);
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving
