#include <algorithm>

#include "engine/serving/api/checkpoint_path.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/time_limit.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

void write_check(json::Writer& out, const ReadinessCheck& check) {
  out.begin_object();
  out.key("name").text(check.name);
  out.key("ok").boolean(check.ok);
  out.key("required").boolean(check.required);
  out.key("detail").text(check.detail);
  out.end_object();
}

void write_consumer(json::Writer& out, const ConsumerStatus& consumer) {
  out.begin_object();
  out.key("consumer").text(consumer.consumer);
  out.key("source").text(consumer.source);
  out.key("partition").integer(consumer.position.partition.value);
  out.key("offset").integer(consumer.position.offset.value);
  out.key("end_offset");
  consumer.end_offset ? out.integer(consumer.end_offset->value) : out.null();
  out.key("lag");
  consumer.end_offset
      ? out.integer(std::max<std::int64_t>(0, consumer.end_offset->value - consumer.position.offset.value))
      : out.null();
  out.key("at_end").boolean(consumer.at_end);
  out.end_object();
}

std::string_view state_of(const ConsumerHealth& consumer) {
  if (consumer.blocked()) return "blocked";
  return consumer.troubles.empty() ? "running" : "waiting";
}

void write_trouble(json::Writer& out, const ConsumerTrouble& trouble) {
  out.begin_object();
  out.key("partition");
  trouble.partition ? out.integer(trouble.partition->value) : out.null();
  out.key("blocked").boolean(trouble.blocked);
  out.key("gap").boolean(trouble.gap);
  out.key("since");
  write_time_or_null(out, trouble.since);
  out.key("reason").text(trouble.reason);
  out.key("remedy").text(trouble.remedy);
  out.end_object();
}

void write_unchecked(json::Writer& out, const UncheckedPosition& position) {
  out.begin_object();
  out.key("partition").integer(position.partition.value);
  out.key("offset").integer(position.offset.value);
  out.key("since");
  write_time_or_null(out, position.since);
  out.end_object();
}

void write_health(json::Writer& out, const ConsumerHealth& consumer) {
  out.begin_object();
  out.key("name").text(consumer.name());
  out.key("state").text(state_of(consumer));
  out.key("required").boolean(consumer.required);
  out.key("gap_records").unsigned_integer(consumer.gap_records);
  out.key("gap_bytes").unsigned_integer(consumer.gap_bytes);
  out.key("unchecked").begin_array();
  for (const UncheckedPosition& position : consumer.unchecked) write_unchecked(out, position);
  out.end_array();
  out.key("troubles").begin_array();
  for (const ConsumerTrouble& trouble : consumer.troubles) write_trouble(out, trouble);
  out.end_array().end_object();
}

void write_memory(json::Writer& out, const MemoryPart& part) {
  out.begin_object();
  out.key("part").text(part.name);
  out.key("bytes").unsigned_integer(part.bytes);
  out.key("limit");
  part.limit > 0 ? out.unsigned_integer(part.limit) : out.null();
  out.end_object();
}

void write_counts(json::Writer& out, const EngineStatus& status) {
  out.key("events_applied").unsigned_integer(status.events_applied);
  out.key("events_rejected").unsigned_integer(status.events_rejected);
  out.key("events_repeated").unsigned_integer(status.events_repeated);
  out.key("events_retracted").unsigned_integer(status.events_retracted);
  out.key("events_withheld").unsigned_integer(status.events_withheld);
  out.key("retractions_unmatched").unsigned_integer(status.retractions_unmatched);
  out.key("retracted_values_lost").unsigned_integer(status.retracted_values_lost);
  out.key("values_inexact").unsigned_integer(status.values_inexact);
  out.key("events_of_erased").unsigned_integer(status.events_of_erased);
  out.key("erased_users").unsigned_integer(status.erased_users);
  out.key("erasures_pending").unsigned_integer(status.erasures_pending);
  out.key("places").unsigned_integer(status.places);
  out.key("unreadable_hours").unsigned_integer(status.unreadable_hours);
  out.key("idle_rules").begin_array();
  for (const IdleRule& rule : status.idle_rules) {
    out.begin_object().key("name").text(rule.name).key("why").text(rule.why).end_object();
  }
  out.end_array();
  out.key("unknown_places").unsigned_integer(status.unknown_places);
  out.key("events_waiting").unsigned_integer(status.events_waiting);
  out.key("events_filled").unsigned_integer(status.events_filled);
  out.key("state_bytes").unsigned_integer(status.state_bytes);
  out.key("row_cache_bytes").unsigned_integer(status.row_cache_bytes);
  out.key("row_cache_hits").unsigned_integer(status.row_cache_hits);
  out.key("row_cache_misses").unsigned_integer(status.row_cache_misses);
  out.key("pending_rows").unsigned_integer(status.pending_rows);
  out.key("windows_written").unsigned_integer(status.windows_written);
  out.key("window_rows_written").unsigned_integer(status.window_rows_written);
  out.key("recommendations").unsigned_integer(status.recommendations);
  out.key("sql_rows").unsigned_integer(status.sql_rows);
}

/// The checks that count for this caller: all, less those named by ?exclude=.
std::vector<ReadinessCheck> checks_for(const ApiRequest& request, const EngineStatus& status, bool draining) {
  std::vector<ReadinessCheck> checks = status.checks;
  checks.push_back({.name = "serving",
                    .ok = !draining,
                    .required = true,
                    .detail = draining ? "shutting down: finishing what is in flight" : "accepting requests"});
  const std::vector<std::string> excluded = request.query_values("exclude");
  std::erase_if(checks, [&](const ReadinessCheck& check) {
    return std::find(excluded.begin(), excluded.end(), check.name) != excluded.end();
  });
  return checks;
}

std::string failing_names(const std::vector<ReadinessCheck>& checks) {
  std::string names;
  for (const ReadinessCheck& check : checks) {
    if (check.required && !check.ok) names += (names.empty() ? "" : ", ") + check.name + " (" + check.detail + ")";
  }
  return names;
}

/// Counts by upper bound, those beyond the last bound included in `null`.
template <class Bounds, class Counts>
void write_histogram(json::Writer& out, const Bounds& bounds, const Counts& counts) {
  out.begin_array();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.begin_object().key("up_to");
    i < bounds.size() ? static_cast<void>(out.number(static_cast<double>(bounds[i]))) : static_cast<void>(out.null());
    out.key("count").unsigned_integer(counts[i]).end_object();
  }
  out.end_array();
}

void write_batching(json::Writer& out, const BatchingStatus& batching) {
  out.begin_object();
  out.key("size").unsigned_integer(batching.size);
  out.key("at_once").unsigned_integer(batching.at_once);
  out.key("queue").unsigned_integer(batching.queue);
  out.key("admitted").unsigned_integer(batching.admitted);
  out.key("completed").unsigned_integer(batching.completed);
  out.key("rejected").unsigned_integer(batching.rejected);
  out.key("expired").unsigned_integer(batching.expired);
  out.key("cancelled").unsigned_integer(batching.cancelled);
  out.key("waiting").unsigned_integer(batching.waiting);
  out.key("running").unsigned_integer(batching.running);
  out.key("batches").unsigned_integer(batching.batches);
  out.key("scanned").unsigned_integer(batching.scanned);
  out.key("waited_seconds").number(batching.waited_seconds);
  out.key("sizes");
  write_histogram(out, BatchingStatus::kSizeBounds, batching.sizes);
  out.key("waited");
  write_histogram(out, BatchingStatus::kWaitBounds, batching.waited);
  out.end_object();
}

void write_compute(json::Writer& out, const ComputeStatus& compute) {
  out.begin_object();
  out.key("backend").text(compute.backend);
  out.key("reason").text(compute.reason);
  out.key("fallback").text(compute.fallback);
  out.key("open").boolean(compute.open);
  out.key("scans").unsigned_integer(compute.scans);
  out.key("fallbacks").unsigned_integer(compute.fallbacks);
  out.key("failures").unsigned_integer(compute.failures);
  out.key("trials").unsigned_integer(compute.trials);
  out.key("last_failure").text(compute.last_failure);
  out.end_object();
}

}  // namespace

ApiResponse Handlers::status(const ApiRequest& request) const {
  const EngineStatus status = engine_.status(request.context);
  json::Writer out;
  out.begin_object();
  out.key("version").text(status.version);
  out.key("started");
  write_time_or_null(out, status.started);
  out.key("ready").boolean(status.ready() && !draining_.load(std::memory_order_relaxed));
  out.key("compute_backend").text(status.compute_backend);
  write_counts(out, status);
  out.key("newest_event");
  write_time_or_null(out, status.newest_event);
  out.key("durable").begin_array();
  for (const Watermark& watermark : status.durable) write_watermark(out, watermark);
  out.end_array().key("memory").begin_array();
  for (const MemoryPart& part : status.memory) write_memory(out, part);
  out.end_array().key("consumers").begin_array();
  for (const ConsumerStatus& consumer : status.consumers) write_consumer(out, consumer);
  out.end_array().key("consumer_health").begin_array();
  for (const ConsumerHealth& consumer : status.health) write_health(out, consumer);
  out.end_array().key("checks").begin_array();
  for (const ReadinessCheck& check : status.checks) write_check(out, check);
  out.end_array().key("model");
  write_model(out, status.model);
  out.key("cache");
  write_answer_cache(out, status.answers);
  out.key("batching");
  write_batching(out, status.batching);
  out.key("compute");
  write_compute(out, status.compute);
  out.end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::checkpoint(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  const std::string name = fields.text("path").value_or("");
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  const Result<std::string> path = checkpoint_path(options_.checkpoints_dir, name);
  if (!path.ok()) return error_response(path.status());
  if (const Status made = make_folder(options_.checkpoints_dir); !made.ok()) return error_response(made);
  const Result<CheckpointInfo> info = engine_.checkpoint(request.context, *path);
  if (!info.ok()) return error_response(info.status());
  json::Writer out;
  out.begin_object().key("path").text(info->path).key("bytes").unsigned_integer(info->bytes);
  out.key("watermarks").begin_array();
  for (const Watermark& watermark : info->watermarks) write_watermark(out, watermark);
  out.end_array().end_object();
  return json_response(std::move(out).take());
}

ApiResponse Handlers::wait_caught_up(const ApiRequest& request) const {
  std::chrono::milliseconds timeout = kWaitTimeLimit.standard;
  if (!request.body.empty()) {  // all of it is optional, so the body is as well
    const Result<json::Value> body = json::parse(request.body);
    if (!body.ok()) return error_response(body.status());
    json::Fields fields(*body, "");
    timeout = read_time(fields, kWaitTimeLimit);
    if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  }
  // The consumers have to look once more, or nobody could say so.
  if (timeout == std::chrono::milliseconds(0)) timeout = kWaitTimeLimit.queue_min;
  if (const Status status = engine_.wait_caught_up(request.context_within(timeout)); !status.ok())
    return error_response(status);
  return json_response(R"({"caught_up":true})");
}

ApiResponse Handlers::retry_consumer(const ApiRequest& request) const {
  if (const Status status = engine_.retry_consumer(request.context, request.path_parameters[0]); !status.ok())
    return error_response(status);
  return json_response(R"({"retrying":true})");
}

ApiResponse Handlers::accept_gap(const ApiRequest& request) const {
  if (const Status status = engine_.accept_gap(request.context, request.path_parameters[0]); !status.ok())
    return error_response(status);
  return json_response(R"({"accepted":true})");
}

ApiResponse Handlers::live(const ApiRequest&) const { return json_response(R"({"status":"ok"})"); }

ApiResponse Handlers::ready(const ApiRequest& request) const {
  const auto checks = checks_for(request, engine_.status(request.context), draining_.load(std::memory_order_relaxed));
  const std::string failing = failing_names(checks);
  json::Writer out;
  out.begin_object().key("ready").boolean(failing.empty());
  out.key("checks").begin_array();
  for (const ReadinessCheck& check : checks) write_check(out, check);
  out.end_array();
  // The same error object as everywhere, beside the checks: a client that knows only errors is served too.
  if (!failing.empty()) {
    out.key("error").begin_object();
    out.key("code").text(to_string(StatusCode::kUnavailable));
    out.key("message").text("not ready: " + failing);
    out.end_object();
  }
  out.end_object();
  ApiResponse response = json_response(std::move(out).take(), failing.empty() ? 200 : 503);
  if (!failing.empty()) response.status = StatusCode::kUnavailable;
  return response;
}

ApiResponse Handlers::metrics(const ApiRequest& request) const {
  std::vector<Metrics::LaneSample> lanes;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const auto lane = static_cast<Lane>(i);
    lanes.push_back({name_of(lane), admission_.counts(lane)});
  }
  ApiResponse response = json_response(
      metrics_.render(engine_.status(request.context), lanes, options_.client_bytes ? options_.client_bytes() : 0));
  response.content_type = Metrics::kContentType;
  return response;
}

ApiResponse Handlers::openapi(const ApiRequest&) const { return json_response(std::string(openapi_document())); }

}  // namespace cairn::serving
