#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "cairn/rfc3339.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"

namespace cairn::serving {
namespace {

void write_part(json::Writer& out, const ErasedPart& part) {
  out.begin_object();
  out.key("where").text(part.where);
  out.key("what").text(part.what);
  out.key("erased").unsigned_integer(part.count);
  out.key("done").boolean(part.done);
  out.key("detail").text(part.detail);
  out.end_object();
}

/// The copies of the state that lie in the server's folder for them: nobody reaches into those.
std::vector<std::string> checkpoints_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unknown;
    if (it->is_directory(unknown)) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void write_texts(json::Writer& out, std::string_view key, const std::vector<std::string>& texts) {
  out.key(key).begin_array();
  for (const std::string& text : texts) out.text(text);
  out.end_array();
}

void write_event(json::Writer& out, const UserEvent& event) {
  out.begin_object();
  out.key("where").text(event.where);
  out.key("ts").text(format_rfc3339(event.time));
  out.key("place_id").text(event.place);
  out.key("type").text(event.type);
  if (event.value) out.key("value").number(*event.value);
  if (event.position) out.key("lat").number(event.position->lat).key("lon").number(event.position->lon);
  if (!event.event_id.empty()) out.key("event_id").text(event.event_id);
  out.key("source").text(event.source);
  if (event.retracts) out.key("retract").boolean(true);
  out.end_object();
}

}  // namespace

ApiResponse Handlers::erase_user(const ApiRequest& request) const {
  const Result<ErasureReceipt> receipt = engine_.erase_user(request.context, UserId(request.path_parameters.at(0)));
  if (!receipt.ok()) return error_response(receipt.status());
  json::Writer out;
  out.begin_object();
  out.key("user_id").text(receipt->user.str());
  out.key("erased_at").text(format_rfc3339(receipt->erased_at));
  out.key("refused_until").text(format_rfc3339(receipt->refused_until));
  out.key("complete").boolean(receipt->complete());
  out.key("parts").begin_array();
  for (const ErasedPart& part : receipt->parts) write_part(out, part);
  out.end_array();
  write_texts(out, "kept", kept_without_the_person());
  write_texts(out, "checkpoints", checkpoints_in(options_.checkpoints_dir));
  out.end_object();
  // What waits is accepted: it will be done.
  return json_response(std::move(out).take(), receipt->complete() ? 200 : 202);
}

ApiResponse Handlers::export_user(const ApiRequest& request) const {
  const Result<UserExport> all = engine_.export_user(request.context, UserId(request.path_parameters.at(0)));
  if (!all.ok()) return error_response(all.status());
  json::Writer out;
  out.begin_object();
  out.key("user_id").text(all->user.str());
  out.key("refused_until");
  write_time_or_null(out, all->refused_until.value_or(EventTime{}));
  out.key("features").begin_array();
  for (const FeatureVector& vector : all->features) write_vector(out, vector);
  out.end_array().key("events").begin_array();
  for (const UserEvent& event : all->events) write_event(out, event);
  out.end_array();
  write_texts(out, "refused_records", all->refused_records);
  out.end_object();
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving
