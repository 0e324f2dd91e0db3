#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/rfc3339.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/time_limit.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

constexpr std::size_t kWarmRequestsMax = 1'000;
constexpr std::size_t kCategoriesMax = 256;
constexpr std::size_t kPlacesMax = 10'000;

std::optional<Watermark> read_min_offset(json::Fields& outer) {
  const json::Value* value = outer.any("min_offset");
  if (!value) return std::nullopt;
  json::Fields fields(*value, "min_offset");
  Watermark watermark;
  watermark.source = fields.text("source").value_or("");
  if (watermark.source.empty()) fields.fail("source is required");
  watermark.position.partition.value = static_cast<std::int32_t>(fields.integer("partition", 0, INT32_MAX).value_or(0));
  watermark.position.offset.value = fields.required_integer("offset", 0, INT64_MAX);
  // One complaint a request, the first: it stays with the outer object.
  if (const Status status = fields.finish(); !status.ok()) outer.fail(status.message());
  return watermark;
}

OnStale read_on_stale(json::Fields& fields) {
  const std::string text = fields.text("on_stale").value_or("wait");
  if (text == "degrade") return OnStale::kDegrade;
  if (text == "fail") return OnStale::kFail;
  if (text != "wait") fields.fail("on_stale must be wait, degrade or fail");
  return OnStale::kWait;
}

std::vector<PlaceId> read_places(json::Fields& fields, std::string_view name) {
  std::vector<PlaceId> places;
  for (std::string& id : fields.ids(name, kPlacesMax)) places.emplace_back(std::move(id));
  return places;
}

void read_open(json::Fields& fields, RecommendRequest* request) {
  const json::Value* given = fields.any("open_at");
  const auto* word = given == nullptr ? nullptr : given->as<std::string>();
  request->open_now = word != nullptr && *word == "now";
  if (!request->open_now) request->open_at = fields.time("open_at");
  request->open_unknown = fields.flag("open_unknown", request->open_unknown);
}

std::optional<Explore> read_explore(json::Fields& fields) {
  const std::optional<std::string> method = fields.text("explore");
  const std::optional<double> strength = fields.number("explore_strength");
  const std::optional<std::int64_t> seed = fields.integer("seed", 0, INT64_MAX);
  if (!method) {
    if (strength || seed) fields.fail("explore_strength and seed need explore");
    return std::nullopt;
  }
  Explore explore;
  if (*method == to_string(ExploreMethod::kThompson)) {
    explore.method = ExploreMethod::kThompson;
  } else if (*method != to_string(ExploreMethod::kUcb)) {
    fields.fail("explore must be ucb or thompson");
  }
  explore.strength = strength.value_or(explore.strength);
  if (seed) explore.seed = static_cast<std::uint64_t>(*seed);
  return explore;
}

/// A request with the time that its caller gives it.
struct TimedRequest {
  RecommendRequest request;
  std::chrono::milliseconds deadline = kRecommendTimeLimit.standard;
};

/// `what` names the request in messages; may be empty.
Result<TimedRequest> read_request(const json::Value& body, const std::string& what = "") {
  json::Fields fields(body, what);
  TimedRequest timed;
  RecommendRequest& request = timed.request;
  request.user = UserId(fields.required_id("user_id"));
  request.position = fields.position();
  request.position_time = fields.time("position_time");
  // Without a position the time of its fix means nothing, and would hide that lat and lon were forgotten.
  if (request.position_time && !request.position) fields.fail("position_time needs lat and lon");
  request.time = fields.time("time");
  request.limit = static_cast<std::size_t>(
      fields.integer("limit", 1, INT32_MAX).value_or(static_cast<std::int64_t>(request.limit)));
  request.radius_meters = fields.number("radius_meters");
  if (request.radius_meters && !(*request.radius_meters > 0)) fields.fail("radius_meters must be greater than 0");
  request.categories = fields.texts("categories", kCategoriesMax);
  request.exclude_categories = fields.texts("exclude_categories", kCategoriesMax);
  request.where = fields.text("where").value_or("");
  read_open(fields, &request);
  request.exclude_seen = fields.flag("exclude_seen", request.exclude_seen);
  request.exclude = read_places(fields, "exclude");
  request.only = read_places(fields, "only");
  request.rank = read_places(fields, "rank");
  request.recent = read_places(fields, "recent");
  request.cursor = fields.text("cursor").value_or("");
  request.max_per_category = static_cast<std::size_t>(fields.integer("max_per_category", 0, INT32_MAX).value_or(0));
  request.diversity = fields.number("diversity").value_or(request.diversity);
  if (!(request.diversity >= 0.0 && request.diversity <= 1.0)) fields.fail("diversity must be from 0 to 1");
  if (const auto segment = fields.integer("segment", 0, UINT32_MAX)) {
    request.segment = static_cast<std::uint32_t>(*segment);
  }
  request.explore = read_explore(fields);
  request.attributes = fields.flag("attributes", request.attributes);
  request.explain = fields.flag("explain", request.explain);
  request.min_offset = read_min_offset(fields);
  request.on_stale = read_on_stale(fields);
  if (const auto staleness = fields.integer("max_staleness_ms", 0, INT32_MAX)) {
    request.max_staleness = std::chrono::milliseconds(*staleness);
  }
  timed.deadline = read_time(fields, kRecommendTimeLimit);
  CAIRN_RETURN_IF_ERROR(fields.finish());
  return timed;
}

void write_item(json::Writer& out, const Recommended& item, const RecommendRequest& request) {
  out.begin_object();
  write_place_members(out, item.place);
  if (request.attributes) write_attributes(out, item.place);
  out.key("score").number(item.score);
  out.key("distance_meters").number(item.distance_meters);
  if (request.explain) {
    out.key("reasons").begin_array();
    for (const Reason& reason : item.reasons) {
      out.begin_object();
      out.key("feature").text(reason.feature);
      out.key("value").number(reason.value);
      out.key("contribution").number(reason.contribution);
      out.key("text").text(reason.text);
      out.end_object();
    }
    out.end_array();
  }
  out.end_object();
}

/// All of an answer but where it comes from, which differs each time that it is given.
std::string write_lasting_part(const Recommendations& answer, const RecommendRequest& request) {
  json::Writer out;
  out.begin_object().key("items").begin_array();
  for (const Recommended& item : answer.items) write_item(out, item, request);
  out.end_array();
  out.key("next").text(answer.next);
  out.key("known_by").text(to_string(answer.known_by));
  out.key("ranker").unsigned_integer(answer.ranker);
  out.key("model").text(answer.model);
  out.key("segment");
  answer.segment ? static_cast<void>(out.unsigned_integer(*answer.segment)) : static_cast<void>(out.null());
  out.key("explored").text(answer.explored ? to_string(*answer.explored) : "");
  out.key("candidates").unsigned_integer(answer.candidates);
  out.key("shortfall").text(answer.shortfall);
  out.key("degraded").boolean(answer.degraded);
  out.key("by_fallback").boolean(answer.by_fallback);
  out.key("user_event");
  answer.user_event ? static_cast<void>(out.text(format_rfc3339(*answer.user_event))) : static_cast<void>(out.null());
  out.key("freshness");
  write_freshness(out, answer.freshness);
  return std::move(out).take();
}

std::string write_answer(const Recommendations& answer, const RecommendRequest& request) {
  if (!answer.kept) return write_lasting_part(answer, request) + R"(,"cache":null})";
  // Requests that have one answer agree on what is told, so that one text will do for all of them.
  const KeptAnswer& kept = *answer.kept;
  std::shared_ptr<const std::string> lasting = kept.memo ? kept.memo->text() : nullptr;
  if (!lasting) {
    lasting = std::make_shared<const std::string>(write_lasting_part(answer, request));
    if (kept.memo) kept.memo->keep(*lasting);
  }
  json::Writer out;
  out.begin_object();
  out.key("tier").text(to_string(kept.tier));
  out.key("age_ms").unsigned_integer(static_cast<std::uint64_t>(kept.age.count()));
  out.key("stale").boolean(kept.stale).end_object();
  return *lasting + R"(,"cache":)" + std::move(out).take() + "}";
}

}  // namespace

ApiResponse Handlers::recommend(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  const Result<TimedRequest> read = read_request(*body);
  if (!read.ok()) return error_response(read.status());
  const Result<Recommendations> answer = engine_.recommend(request.context_within(read->deadline), read->request);
  if (!answer.ok()) return error_response(answer.status());
  return json_response(write_answer(*answer, read->request));
}

ApiResponse Handlers::warm_answers(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  const json::Value* named = fields.any("requests");
  const std::chrono::milliseconds timeout = read_time(fields, kWaitTimeLimit);
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  const auto* all = named == nullptr ? nullptr : named->as<json::Value::Array>();
  if (all == nullptr || all->empty() || all->size() > kWarmRequestsMax) {
    return error_response(invalid_argument("requests must be a list of 1 to " + std::to_string(kWarmRequestsMax) +
                                           " bodies, as POST /v1/recommendations takes them"));
  }
  // All are read before any is answered: a slip in the last one is told of at once.
  std::vector<RecommendRequest> requests;
  for (const json::Value& one : *all) {
    Result<TimedRequest> read = read_request(one, "request " + std::to_string(requests.size() + 1));
    if (!read.ok()) return error_response(read.status());
    requests.push_back(std::move(read->request));
  }
  CallContext context = request.context_within(timeout);
  context.priority = Priority::kBackground;
  std::uint64_t warmed = 0;
  std::uint64_t failed = 0;
  std::string failure;
  for (RecommendRequest& one : requests) {
    one.max_staleness.reset();  // a kept answer will do
    const Result<Recommendations> answer = engine_.recommend(context, one);
    if (!answer.ok()) {
      ++failed;
      if (failure.empty()) failure = answer.status().message();
      continue;
    }
    // Whether an answer is kept shows when it is asked for once more.
    if (answer->kept) {
      ++warmed;
      continue;
    }
    const Result<Recommendations> again = engine_.recommend(context, one);
    if (again.ok() && again->kept) ++warmed;
  }
  json::Writer out;
  out.begin_object().key("warmed").unsigned_integer(warmed);
  out.key("not_kept").unsigned_integer(requests.size() - warmed - failed);
  out.key("failed").unsigned_integer(failed);
  out.key("first_failure").text(failure).end_object();
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving
