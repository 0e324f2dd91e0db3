#include "engine/serving/api/encode.h"
#include "engine/serving/api/handlers.h"
#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

constexpr std::size_t kTagsMax = 10'000;

}  // namespace

void write_answer_cache(json::Writer& out, const AnswerCacheStatus& answers) {
  out.begin_object();
  out.key("bytes").unsigned_integer(answers.bytes);
  out.key("limit").unsigned_integer(answers.limit);
  out.key("entries").unsigned_integer(answers.entries);
  out.key("hit_ratio").number(answers.hit_ratio());
  out.key("hits").unsigned_integer(answers.hits);
  out.key("stale_hits").unsigned_integer(answers.stale_hits);
  out.key("misses").unsigned_integer(answers.misses);
  out.key("outdated").unsigned_integer(answers.outdated);
  out.key("waited").unsigned_integer(answers.waited);
  out.key("passed").unsigned_integer(answers.passed);
  out.key("refreshes").unsigned_integer(answers.refreshes);
  out.key("evictions").unsigned_integer(answers.evictions);
  out.key("age_ms_total").unsigned_integer(answers.memory_age_ms);
  out.key("waited_us_total").unsigned_integer(answers.waited_us);
  out.key("heard").unsigned_integer(answers.heard);
  if (answers.heard_up_to >= 0) out.key("heard_up_to").integer(answers.heard_up_to);
  out.key("disk").begin_object();
  out.key("bytes").unsigned_integer(answers.disk_bytes);
  out.key("limit").unsigned_integer(answers.disk_limit);
  out.key("hits").unsigned_integer(answers.disk_hits);
  out.key("misses").unsigned_integer(answers.disk_misses);
  out.key("writes").unsigned_integer(answers.disk_writes);
  out.key("dropped").unsigned_integer(answers.disk_dropped);
  out.key("age_ms_total").unsigned_integer(answers.disk_age_ms);
  out.key("waited_us_total").unsigned_integer(answers.disk_waited_us);
  out.key("trouble").text(answers.disk_trouble).end_object();
  out.key("shared").begin_object();
  out.key("in_use").boolean(answers.shared);
  out.key("hits").unsigned_integer(answers.shared_hits);
  out.key("misses").unsigned_integer(answers.shared_misses);
  out.key("passed").unsigned_integer(answers.shared_passed);
  out.key("writes").unsigned_integer(answers.shared_writes);
  out.key("dropped").unsigned_integer(answers.shared_dropped);
  out.key("expired").unsigned_integer(answers.shared_expired);
  out.key("rows").unsigned_integer(answers.shared_rows);
  out.key("bytes").unsigned_integer(answers.shared_bytes);
  out.key("age_ms_total").unsigned_integer(answers.shared_age_ms);
  out.key("waited_us_total").unsigned_integer(answers.shared_waited_us);
  out.key("trouble").text(answers.shared_trouble);
  out.key("alone").text(answers.shared_alone).end_object();
  const AnswerWarmingStatus& warming = answers.warming;
  out.key("warming").begin_object();
  out.key("rounds").unsigned_integer(warming.rounds);
  out.key("running").boolean(warming.running);
  out.key("planned").unsigned_integer(warming.planned);
  out.key("done").unsigned_integer(warming.done);
  out.key("computed").unsigned_integer(warming.computed);
  out.key("failed").unsigned_integer(warming.failed);
  out.key("cut_short").unsigned_integer(warming.cut_short);
  out.key("last_ms").unsigned_integer(warming.last_ms).end_object();
  out.end_object();
}

ApiResponse Handlers::answer_cache(const ApiRequest& request) const {
  json::Writer out;
  write_answer_cache(out, engine_.status(request.context).answers);
  return json_response(std::move(out).take());
}

ApiResponse Handlers::invalidate_answers(const ApiRequest& request) const {
  const Result<json::Value> body = json::parse(request.body);
  if (!body.ok()) return error_response(body.status());
  json::Fields fields(*body, "");
  AnswerTags tags{.users = fields.ids("users", kTagsMax),
                  .places = fields.ids("places", kTagsMax),
                  .categories = fields.texts("categories", kTagsMax),
                  .cells = fields.texts("cells", kTagsMax),
                  .all = fields.flag("all", false)};
  if (const Status status = fields.finish(); !status.ok()) return error_response(status);
  const std::size_t named = tags.users.size() + tags.places.size() + tags.categories.size() + tags.cells.size();
  if (named == 0 && !tags.all) {
    return error_response(
        invalid_argument("nothing is named: give users, places, categories or cells, each a list, or \"all\": true"));
  }
  if (const Status done = engine_.invalidate_answers(request.context, tags); !done.ok()) return error_response(done);
  json::Writer out;
  out.begin_object().key("invalidated").unsigned_integer(named).key("all").boolean(tags.all).end_object();
  return json_response(std::move(out).take());
}

}  // namespace cairn::serving
