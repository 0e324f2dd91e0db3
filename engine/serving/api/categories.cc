#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

ApiResponse change_category(Engine& engine, const ApiRequest& request, CategoryTarget target) {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  const std::string from = fields.text("from").value_or("");
  const std::string to = fields.text("to").value_or("");
  if (from.empty() || to.empty()) fields.fail("from and to are required: the name of a category and its new one");
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  const Result<std::uint64_t> moved = engine.rename_category(request.context, from, to, target);
  if (!moved.ok()) return error_response(moved.status());
  json::Writer out;
  out.begin_object().key("from").text(from).key("to").text(to).key("places").unsigned_integer(*moved).end_object();
  return json_response(std::move(out).take());
}

}  // namespace

ApiResponse Handlers::list_categories(const ApiRequest& request) const {
  json::Writer out;
  out.begin_object().key("categories").begin_array();
  for (const Category& category : engine_.categories(request.context)) {
    out.begin_object().key("name").text(category.name).key("places").unsigned_integer(category.places);
    out.key("old_names").begin_array();
    for (const std::string& old : category.old_names) out.text(old);
    out.end_array().end_object();
  }
  out.end_array().end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::rename_category(const ApiRequest& request) const {
  return change_category(engine_, request, CategoryTarget::kNewName);
}

ApiResponse Handlers::merge_category(const ApiRequest& request) const {
  return change_category(engine_, request, CategoryTarget::kExisting);
}

}  // namespace cairn::serving
