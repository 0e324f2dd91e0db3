#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/rfc3339.h"
#include "engine/serving/api/conditional.h"
#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/api/query.h"
#include "engine/serving/api/time_limit.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {

/// A request with the time that its caller gives it.
struct TimedRequest {
  RecommendRequest request;
  std::chrono::milliseconds deadline = kRecommendTimeLimit.standard;
};

namespace {

/// A body beyond this is read where nobody else waits for the thread.
constexpr std::size_t kAtOnceBytesMax = 4096;
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

bool read_against(json::Fields& fields) {
  const std::string reasons = fields.text("reasons").value_or("for");
  if (reasons != "for" && reasons != "all") fields.fail("reasons must be for or all");
  return reasons == "all";
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
  if (!request->open_now) request->open_at = fields.time("open_at", "now");
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

/// `what` names the request in messages; may be empty.
Result<TimedRequest> read_request(const json::Value& body, const std::string& what = "") {
  json::Fields fields(body, what);
  TimedRequest timed;
  RecommendRequest& request = timed.request;
  request.position = fields.position();
  request.cell = fields.text("cell").value_or("");
  request.snap = fields.flag("snap", false);
  request.user = UserId(fields.id("user_id").value_or(""));  // none: a visitor
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
  request.against = read_against(fields);
  request.language = fields.text("language").value_or("");
  request.min_offset = read_min_offset(fields);
  request.on_stale = read_on_stale(fields);
  if (const auto staleness = fields.integer("max_staleness_ms", 0, INT32_MAX)) {
    request.max_staleness = std::chrono::milliseconds(*staleness);
  }
  timed.deadline = read_time(fields, kRecommendTimeLimit);
  CAIRN_RETURN_IF_ERROR(fields.finish());
  return timed;
}

void write_reasons(json::Writer& out, std::string_view name, const std::vector<Reason>& reasons) {
  out.key(name).begin_array();
  for (const Reason& reason : reasons) {
    out.begin_object();
    out.key("feature").text(reason.feature);
    out.key("value").number(reason.value);
    out.key("contribution").number(reason.contribution);
    out.key("text").text(reason.text);
    out.end_object();
  }
  out.end_array();
}

void write_item(json::Writer& out, const Recommended& item, const RecommendRequest& request) {
  out.begin_object();
  write_place_members(out, item.place);
  if (request.attributes) write_attributes(out, item.place);
  out.key("score").number(item.score);
  out.key("distance_meters").number(item.distance_meters);
  if (request.explain) {
    out.key("because").text(item.because);
    write_reasons(out, "reasons", item.reasons);
    if (request.against) write_reasons(out, "against", item.against);
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
  out.key("cell");
  answer.cell.empty() ? static_cast<void>(out.null()) : static_cast<void>(out.text(answer.cell));
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

/// What of the lasting part is the same as long as the same places are answered for the same reasons.
std::string_view what_it_says(std::string_view text) {
  // Inside of a JSON string a quote has a backslash before it, so this is the member.
  return text.substr(0, text.rfind(R"(,"freshness":)"));
}

/// The part of a kept answer's JSON that is written once. Requests that have one answer agree on what of it is shown,
/// so that one text will do for all of them.
std::shared_ptr<const AnswerMemo::Text> lasting_part(const Recommendations& answer, const RecommendRequest& request,
                                                     bool tagged) {
  const AnswerMemo* memo = answer.kept ? answer.kept->memo.get() : nullptr;
  if (memo != nullptr) {
    if (auto written = memo->text()) return written;
  }
  auto made = std::make_shared<AnswerMemo::Text>();
  made->text = write_lasting_part(answer, request);
  // Who asks next may want the tag.
  if (tagged || memo != nullptr) made->tag = weak_etag_of(what_it_says(made->text));
  if (memo != nullptr) answer.kept->memo->keep(made);
  return made;
}

/// `tag`, where it is not null, gets the entity tag of what the answer says.
ApiResponse answer_response(const Recommendations& answer, const RecommendRequest& request,
                            std::string* tag = nullptr) {
  const auto lasting = lasting_part(answer, request, tag != nullptr);
  if (tag != nullptr) *tag = lasting->tag;
  std::string cache = "null";
  if (answer.kept) {
    json::Writer out;
    out.begin_object();
    out.key("tier").text(to_string(answer.kept->tier));
    out.key("age_ms").unsigned_integer(static_cast<std::uint64_t>(answer.kept->age.count()));
    out.key("stale").boolean(answer.kept->stale).end_object();
    cache = std::move(out).take();
  }
  ApiResponse response = json_response(R"(,"cache":)" + cache + "}");
  response.shared_body = {lasting, &lasting->text};
  return response;
}

}  // namespace

namespace {

using ReadRequest = Result<std::shared_ptr<const TimedRequest>>;

/// The request as it was read before, or else as it is read now.
ReadRequest read_once(const ApiRequest& request, Result<TimedRequest> (*read)(const ApiRequest&)) {
  if (request.recommendation) return request.recommendation;
  CAIRN_ASSIGN_OR_RETURN(TimedRequest timed, read(request));
  return std::make_shared<const TimedRequest>(std::move(timed));
}

Result<TimedRequest> read_post(const ApiRequest& request) {
  CAIRN_ASSIGN_OR_RETURN(const json::Value body, json::parse(request.body));
  CAIRN_ASSIGN_OR_RETURN(TimedRequest read, read_request(body));
  if (read.request.language.empty()) read.request.language = request.accept_language;
  return read;
}

/// Whether a request takes little more memory than the bytes that it came in.
bool is_small(const RecommendRequest& request) {
  constexpr std::size_t kNamesMax = 32;
  return request.categories.size() + request.exclude_categories.size() + request.exclude.size() + request.only.size() +
             request.rank.size() + request.recent.size() <=
         kNamesMax;
}

/// What is kept, from memory; nullopt: nothing is. `bytes` and `language`: all that `read` reads of the request.
std::optional<Recommendations> kept(const Engine& engine, ApiRequest& request,
                                    Result<TimedRequest> (*read)(const ApiRequest&), RequestMemo* memo,
                                    std::string_view bytes, std::string_view language) {
  if (request.body.size() > kAtOnceBytesMax) return std::nullopt;
  request.recommendation = memo->find(bytes, language);
  const bool known = request.recommendation != nullptr;
  if (!known) {
    ReadRequest timed = read_once(request, read);
    if (!timed.ok()) return std::nullopt;  // who handles it says why
    request.recommendation = *std::move(timed);
  }
  auto answer = engine.kept_recommendations(request.recommendation->request);
  // Whatever nothing is kept for may never come again.
  if (answer && !known && is_small(request.recommendation->request)) {
    memo->keep(bytes, language, request.recommendation);
  }
  return answer;
}

}  // namespace

/// Each stands on a thread of its lane while it waits. Were there no bound, those who wait for nothing would get none.
Result<Recommendations> Handlers::ask(const CallContext& call, const RecommendRequest& request) const {
  if (!request.min_offset || request.on_stale != OnStale::kWait) return engine_.recommend(call, request);
  struct Place {
    explicit Place(std::atomic<std::size_t>& all) : taken(all), number(++all) {}
    ~Place() { --taken; }
    std::atomic<std::size_t>& taken;
    const std::size_t number;
  };
  const Place place(offset_waits_);
  if (place.number <= options_.offset_waits_max) return engine_.recommend(call, request);
  RecommendRequest now_or_not = request;
  now_or_not.on_stale = OnStale::kFail;
  auto answer = engine_.recommend(call, now_or_not);
  if (answer.status().code() != StatusCode::kFailedPrecondition) return answer;
  return resource_exhausted(
      "as many questions wait for their min_offset as may (half of http.reads); try again in a "
      "moment, or take what there is with on_stale degrade");
}

ApiResponse Handlers::recommend(const ApiRequest& request) const {
  const ReadRequest read = read_once(request, read_post);
  if (!read.ok()) return error_response(read.status());
  const TimedRequest& timed = **read;
  const Result<Recommendations> answer = ask(request.context_within(timed.deadline), timed.request);
  if (!answer.ok()) return error_response(answer.status());
  return answer_response(*answer, timed.request);
}

bool Handlers::recommend_at_once(ApiRequest& request, ApiResponse* response) const {
  const auto answer = kept(engine_, request, read_post, &posts_, request.body, request.accept_language);
  if (answer) *response = answer_response(*answer, request.recommendation->request);
  return answer.has_value();
}

namespace {

using Kind = QueryMember::Kind;
constexpr QueryMember kListParameters[] = {
    {"cell", Kind::kText},         {"lat", Kind::kNumber},
    {"lon", Kind::kNumber},        {"limit", Kind::kNumber},
    {"cursor", Kind::kText},       {"radius_meters", Kind::kNumber},
    {"categories", Kind::kTexts},  {"exclude_categories", Kind::kTexts},
    {"where", Kind::kText},        {"open_at", Kind::kTime},
    {"open_unknown", Kind::kFlag}, {"only", Kind::kTexts},
    {"exclude", Kind::kTexts},     {"max_per_category", Kind::kNumber},
    {"diversity", Kind::kNumber},  {"segment", Kind::kNumber},
    {"attributes", Kind::kFlag},   {"explain", Kind::kFlag},
    {"language", Kind::kText},     {"deadline_ms", Kind::kNumber},
};

/// The address that all who ask from the cell have in common.
std::string address_by_cell(const ApiRequest& request, const std::string& cell) {
  Query query{{"cell", cell}};
  for (const auto& one : request.query) {
    if (one.first != "lat" && one.first != "lon") query.push_back(one);
  }
  return "/v1/recommendations?" + text_of(query);
}

/// Where the answer is asked for by a position, that is moved to the centre of its cell: so many ask for the same.
Result<TimedRequest> read_list_request(const ApiRequest& request) {
  CAIRN_ASSIGN_OR_RETURN(json::Value object, object_of(request.query, kListParameters));
  auto* members = std::get_if<json::Value::Object>(&object.data);
  const bool by_cell =
      std::any_of(members->begin(), members->end(), [](const json::Member& one) { return one.name == "cell"; });
  if (!by_cell) members->push_back({"snap", json::Value{true}});
  CAIRN_ASSIGN_OR_RETURN(TimedRequest read, read_request(object));
  if (!by_cell && !read.request.position) {
    return invalid_argument("name a cell (a geohash of 5 to 8 letters), or lat and lon");
  }
  return read;
}

ApiResponse list_response(const ApiRequest& request, const RecommendRequest& asked, const Recommendations& answer,
                          const Reuse& reuse) {
  std::string tag;
  ApiResponse response = answer_response(answer, asked, &tag);
  const auto made_ago = answer.kept ? answer.kept->age : std::chrono::milliseconds(0);
  response.cache_control = cache_control_of(answer.open_for ? while_true(reuse, *answer.open_for, made_ago) : reuse);
  response.etag = std::move(tag);
  if (answer.kept) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(answer.kept->age);
    response.age_seconds = static_cast<std::uint64_t>(age.count());
  }
  if (asked.snap) response.content_location = address_by_cell(request, answer.cell);
  return response;
}

}  // namespace

ApiResponse Handlers::recommend_to_all(const ApiRequest& request) const {
  const ReadRequest read = read_once(request, read_list_request);
  if (!read.ok()) return error_response(read.status());
  const TimedRequest& timed = **read;
  const Result<Recommendations> answer = ask(request.context_within(timed.deadline), timed.request);
  if (!answer.ok()) return error_response(answer.status());
  return list_response(request, timed.request, *answer, options_.lists_reuse);
}

bool Handlers::recommend_to_all_at_once(ApiRequest& request, ApiResponse* response) const {
  const auto answer = kept(engine_, request, read_list_request, &lists_, request.target, {});
  if (answer) *response = list_response(request, request.recommendation->request, *answer, options_.lists_reuse);
  return answer.has_value();
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
