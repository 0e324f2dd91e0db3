// Each route, asked well and badly, through a real socket.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>

#include "engine/serving/api/handlers.h"
#include "engine/serving/api/routes.h"
#include "tests/engine/serving/server_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::serving_test;

namespace {

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Answer post_lines(std::uint16_t port, std::string_view target, std::string_view body) {
  return request(port, "POST", target, body, "Content-Type: application/x-ndjson; charset=utf-8\r\n");
}

}  // namespace

TEST_SUITE_BEGIN("api");

TEST_CASE_FIXTURE(Serving, "a recommendation request reaches the engine field by field") {
  start();
  const auto before = std::chrono::steady_clock::now();
  const Answer answer = post(port(), "/v1/recommendations",
                             R"({"user_id":18446744073709551615,"lat":40.7,"lon":-74,"time":"2024-05-01T12:00:00Z",
                               "position_time":"2024-05-01T11:00:00Z",
                               "limit":7,"radius_meters":500,"categories":["cafe","bar"],"exclude_seen":true,
                               "exclude_categories":["pub"],"where":"a = \"b\"","open_at":"2024-05-01T20:00:00Z",
                               "open_unknown":true,"only":["p9",7],"attributes":true,
                               "exclude":["p1",2],"rank":["p3","p4"],"recent":["p5",18446744073709551615],
                               "cursor":"ab","max_per_category":3,"diversity":0.25,
                               "segment":3,"explore":"thompson","explore_strength":2.5,"seed":9223372036854775807,"explain":true,"min_offset":{"source":"api","partition":2,"offset":42},
                               "max_staleness_ms":1500,"on_stale":"degrade","deadline_ms":30000})");
  REQUIRE(answer.code == 200);
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.user.str() == "18446744073709551615");
  CHECK(asked.position == GeoPoint{40.7, -74.0});
  CHECK(to_ms(*asked.time) == 1714564800000);
  CHECK(to_ms(*asked.position_time) == 1714564800000 - 3'600'000);
  CHECK(asked.limit == 7);
  CHECK(asked.radius_meters == 500.0);
  CHECK(asked.categories == std::vector<std::string>{"cafe", "bar"});
  CHECK(asked.exclude_categories == std::vector<std::string>{"pub"});
  CHECK(asked.where == "a = \"b\"");
  CHECK(to_ms(asked.open_at.value()) == 1714564800000 + 8 * 3'600'000);
  CHECK_FALSE(asked.open_now);
  CHECK(asked.open_unknown);
  CHECK(asked.only == std::vector{PlaceId("p9"), PlaceId("7")});
  CHECK(asked.attributes);
  CHECK(asked.exclude_seen);
  CHECK(asked.exclude == std::vector{PlaceId("p1"), PlaceId("2")});
  CHECK(asked.rank == std::vector{PlaceId("p3"), PlaceId("p4")});
  CHECK(asked.recent == std::vector{PlaceId("p5"), PlaceId("18446744073709551615")});
  CHECK(asked.cursor == "ab");
  CHECK(asked.max_per_category == 3);
  CHECK(asked.diversity == 0.25);
  CHECK(asked.segment == 3U);
  CHECK(json_of(answer)["segment"] == 3);
  REQUIRE(asked.explore);
  CHECK(asked.explore->method == ExploreMethod::kThompson);
  CHECK(asked.explore->strength == 2.5);
  CHECK(asked.explore->seed == std::uint64_t{9223372036854775807U});
  CHECK(json_of(answer)["explored"] == "thompson");
  CHECK(asked.min_offset->source == "api");
  CHECK(asked.min_offset->position.partition == Partition{2});
  CHECK(asked.min_offset->position.offset == Offset{42});
  CHECK(asked.on_stale == OnStale::kDegrade);
  CHECK(asked.max_staleness == std::chrono::milliseconds(1500));
  const auto deadline = engine.last_context().deadline.value();
  CHECK(deadline > before);
  CHECK(deadline <= std::chrono::steady_clock::now() + std::chrono::milliseconds(30000));
}

TEST_CASE_FIXTURE(Serving, "attributes of places are taken as JSON has them, and given back") {
  start();
  const char* place = R"({"place_id":"x","name":"","lat":1.5,"lon":2.5,"category":"",
      "attributes":{"b":true,"l":["thai",3,false],"n":18446744073709551615,"none":null,"s":"caf\u00e9","t":-1.5}})";
  REQUIRE(post(port(), "/v1/places", place).code == 200);
  const auto back = json_of(get(port(), "/v1/places/x"));
  CHECK(back["attributes"] ==
        nlohmann::json::parse(R"({"b":true,"l":["thai",3,false],"n":1.8446744073709552e19,"s":"caf\u00e9","t":-1.5})"));
  const auto refused = [&](const std::string& attributes) {
    return check_error(
        post(port(), "/v1/places", R"({"place_id":"y","lat":1,"lon":2,"attributes":)" + attributes + "}"), 400,
        "INVALID_ARGUMENT");
  };
  CHECK(mentions(refused("[1]"), "place 0: attributes must be an object, not an array"));
  CHECK(mentions(refused(R"({"a":{"b":1}})"),
                 "attribute 'a' holds an object; its value is a string, a number, a boolean or a list of those"));
  CHECK(mentions(refused(R"({"a":[[1]]})"), "attribute 'a' holds an array"));
}

TEST_CASE_FIXTURE(Serving, "a recommendation answer carries items, reasons and freshness") {
  start();
  const auto body = json_of(post(port(), "/v1/recommendations", R"({"user_id":"u1"})"));
  const auto expected = nlohmann::json::parse(R"({
    "items":[{"place_id":"p1","name":"Caffe \"Reggio\"","lat":40.7303,"lon":-74.0003,"category":"cafe","score":1.25,
      "distance_meters":321.5,"because":"You have been here 12 times.",
      "reasons":[{"feature":"affinity","value":0.5,"contribution":1.25,"text":"visited 12 times, last 2 days ago"}]}],
    "next":"0a1b","known_by":"recent","ranker":7,"model":"cafe01","cell":null,"segment":null,"explored":"",
    "candidates":17,"shortfall":"only 1 place within 500 m","degraded":false,"by_fallback":false,
    "user_event":"2024-05-01T11:00:00Z",
    "freshness":{"watermarks":[{"source":"api","partition":0,"offset":42}],
      "durable":[{"source":"api","partition":0,"offset":40}],
      "newest_event":"2024-05-01T12:00:00.123Z","tier":"L1"},
    "cache":{"tier":"L1","age_ms":1234,"stale":true}})");
  CHECK(body == expected);
  const auto bare = json_of(post(port(), "/v1/recommendations", R"({"user_id":"u1","explain":false})"));
  CHECK(!bare["items"][0].contains("reasons"));
  CHECK(!bare["items"][0].contains("because"));
}

TEST_CASE_FIXTURE(Serving, "what speaks against a place is told when it is asked for") {
  start();
  const auto body = json_of(post(port(), "/v1/recommendations", R"({"user_id":"u1","reasons":"all"})"));
  CHECK(engine.last_recommend().against);
  CHECK(body["items"][0]["against"] ==
        nlohmann::json::parse(R"([{"feature":"distance","value":2.5,"contribution":-0.75,"text":"321 m away"}])"));
  CHECK(!json_of(post(port(), "/v1/recommendations", R"({"user_id":"u1","reasons":"for"})"))["items"][0].contains(
      "against"));
  CHECK_FALSE(engine.last_recommend().against);
}

TEST_CASE_FIXTURE(Serving, "who has no id is a visitor, whom every route that recommends takes") {
  start();
  CHECK(post(port(), "/v1/recommendations", R"({"lat":40.7,"lon":-74})").code == 200);
  CHECK(engine.last_recommend().user.str().empty());
  CHECK(post(port(), "/v1/cache/warm", R"({"requests":[{"lat":40.7,"lon":-74}]})").code == 200);
  CHECK(engine.last_recommend().user.str().empty());
}

TEST_CASE_FIXTURE(Serving, "sentences are in the language that the request names, or its client") {
  start();
  CHECK(post(port(), "/v1/recommendations", R"({"user_id":"u1","language":"de"})").code == 200);
  CHECK(engine.last_recommend().language == "de");
  const auto with_header = [&](std::string_view body) {
    return request(port(), "POST", "/v1/recommendations", body,
                   "Content-Type: application/json\r\nAccept-Language: fr;q=0.5, de\r\n");
  };
  CHECK(with_header(R"({"user_id":"u1"})").code == 200);
  CHECK(engine.last_recommend().language == "fr;q=0.5, de");
  CHECK(with_header(R"({"user_id":"u1","language":"en"})").code == 200);
  CHECK(engine.last_recommend().language == "en");
}

/// ["x","x",...]
std::string texts(std::size_t count) { return nlohmann::json(std::vector<std::string>(count, "x")).dump(); }

TEST_CASE_FIXTURE(Serving, "as many categories and features may be named as there is room for, and one more may not") {
  start();
  const auto categories = [this](std::size_t count) {
    return post(port(), "/v1/recommendations", R"({"user_id":"u","categories":)" + texts(count) + "}");
  };
  CHECK(categories(256).code == 200);
  CHECK(engine.last_recommend().categories.size() == 256);
  CHECK(check_error(categories(257), 400, "INVALID_ARGUMENT") == "categories has more than 256 elements");
  const auto features = [this](std::size_t count) {
    return check_error(
        post(port(), "/get-online-features", R"({"entities":{"user_id":["u"]},"features":)" + texts(count) + "}"), 400,
        "INVALID_ARGUMENT");
  };
  CHECK(mentions(features(256), "unknown feature view 'x'"));  // the next thing that is wrong
  CHECK(features(257) == "features has more than 256 elements");
}

TEST_CASE_FIXTURE(Serving, "a recommendation request with something wrong in it is refused by name") {
  start();
  const auto refused = [this](std::string_view body) {
    return check_error(post(port(), "/v1/recommendations", body), 400, "INVALID_ARGUMENT");
  };
  CHECK(refused(R"({"user_id":"u","lmit":5})") == "unknown field 'lmit'; did you mean 'limit'?");
  CHECK(refused(R"({"user_id":"u","reasons":"many"})") == "reasons must be for or all");
  CHECK(mentions(refused(R"([])"), "an object is expected, not an array"));
  CHECK(mentions(refused(R"({"user_id":""})"), "user_id must be"));
  CHECK(mentions(refused(R"({"user_id":"u","lat":1})"), "together"));
  CHECK(mentions(refused(R"({"user_id":"u","lat":91,"lon":0})"), "from -90 to 90"));
  CHECK(mentions(refused(R"({"user_id":"u","limit":0})"), "limit must be an integer from 1"));
  CHECK(mentions(refused(R"({"user_id":"u","limit":2.5})"), "limit must be an integer"));
  CHECK(mentions(refused(R"({"user_id":"u","radius_meters":-1})"), "radius_meters must be greater than 0"));
  CHECK(refused(R"({"user_id":"u","diversity":1.5})") == "diversity must be from 0 to 1");
  CHECK(refused(R"({"user_id":"u","diversity":-0.5})") == "diversity must be from 0 to 1");
  CHECK(refused(R"({"user_id":"u","explore":"blindly"})") == "explore must be ucb or thompson");
  CHECK(mentions(refused(R"({"user_id":"u","segment":-1})"), "segment must be an integer from 0"));
  CHECK(refused(R"({"user_id":"u","seed":7})") == "explore_strength and seed need explore");
  CHECK(mentions(refused(R"({"user_id":"u","explore":"thompson","seed":-7})"), "seed must be an integer from 0"));
  CHECK(mentions(refused(R"({"user_id":"u","categories":"cafe"})"), "categories must be an array of strings"));
  CHECK(mentions(refused(R"({"user_id":"u","time":"yesterday"})"), "RFC 3339"));
  CHECK(mentions(refused(R"({"user_id":"u","on_stale":"panic"})"), "wait, degrade or fail"));
  CHECK(refused(R"({"user_id":"u","min_offset":{"source":"api"}})") == "min_offset: offset is required");
  CHECK(mentions(refused(R"({"user_id":"u","deadline_ms":60001})"), "deadline_ms"));
  CHECK(mentions(refused("{\"user_id\":\"\xFF\"}"), "UTF-8"));
  CHECK(mentions(refused(""), "empty"));
}

TEST_CASE_FIXTURE(Serving, "the engine's errors keep their code") {
  engine.on_recommend = [](const RecommendRequest& asked) -> Status {
    const std::string& user = asked.user.str();
    if (user == "late") return deadline_exceeded("too late");
    if (user == "stale") return failed_precondition("not fresh enough");
    if (user == "full") return resource_exhausted("the disk is nearly full; free some space");
    return internal_error("broken");
  };
  start();
  const auto ask = [this](const std::string& user) {
    return post(port(), "/v1/recommendations", R"({"user_id":")" + user + "\"}");
  };
  CHECK(check_error(ask("late"), 504, "DEADLINE_EXCEEDED") == "too late");
  check_error(ask("stale"), 400, "FAILED_PRECONDITION");
  check_error(ask("other"), 500, "INTERNAL");
  const Answer full = ask("full");
  check_error(full, 503, "RESOURCE_EXHAUSTED");
  CHECK(full.headers.at("retry-after") == "1");
}

TEST_CASE_FIXTURE(Serving, "events reach the engine as the bytes that were sent") {
  start();
  const std::string event = R"({"user_id":"a", "user_id":"b","type":"view"})";
  CHECK(post(port(), "/v1/interactions", " " + event + "\n").code == 202);
  CHECK(post(port(), "/v1/interactions", "[" + event + " , {\"x\":\"],\"}]").code == 202);
  CHECK(post_lines(port(), "/v1/interactions", event + "\r\n\n\xFF\xFE\n" + event).code == 202);
  CHECK(engine.ingested() == std::vector<std::string>{event, event, R"({"x":"],"})", event, "\xFF\xFE", event});
}

TEST_CASE_FIXTURE(Serving, "an ingest answer says what was taken, what was not and where it is reflected") {
  start();
  const Answer answer = post_lines(port(), "/v1/interactions", "{\"type\":\"view\"}\n{}\n");
  CHECK(answer.code == 202);
  CHECK(json_of(answer) == nlohmann::json::parse(R"({"accepted":1,"rejected":1,"repeated":false,
    "rejections":[{"index":1,"reason":"type is required"}],
    "reflected_at":{"source":"api","partition":0,"offset":2}})"));
}

TEST_CASE_FIXTURE(Serving, "the Idempotency-Key of a request reaches the engine, quoted as a structured field or not") {
  start();
  const auto post_with_key = [&](const std::string& key) {
    RawClient client(port());
    const std::string body = R"({"type":"view"})";
    REQUIRE(
        client.send("POST /v1/interactions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                    "idempotency-key: " +
                    key + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body));
    return client.read_answer();
  };
  CHECK(json_of(post_with_key("k 1"))["repeated"] == false);
  CHECK(json_of(post_with_key("\"k 1\""))["repeated"] == true);
  CHECK(json_of(post_with_key("\"k 2\""))["repeated"] == false);
  CHECK(post_with_key(std::string(255, 'k')).code == 202);
  for (const std::string& bad : {std::string(), std::string("a\r\nIdempotency-Key: b"), std::string(256, 'k'),
                                 std::string("\"\""), std::string("k\xC3\xA9")}) {
    check_error(post_with_key(bad), 400, "INVALID_ARGUMENT");
  }
}

TEST_CASE_FIXTURE(Serving, "a body without events is refused") {
  start();
  for (const char* body : {"", "[]", "hello", "[{]", "[{},]"}) {
    CAPTURE(body);
    check_error(post(port(), "/v1/interactions", body), 400, "INVALID_ARGUMENT");
  }
  check_error(post_lines(port(), "/v1/interactions", "\n \n"), 400, "INVALID_ARGUMENT");
  CHECK(engine.ingested().empty());
}

TEST_CASE_FIXTURE(Serving, "lines are recognised whatever they say they are, also without their ends") {
  start();
  const std::string line = "{\"user_id\":\"}{\\\"\",\"type\":\"view\"}";
  const auto taken = [&](const std::string& body, const std::string& type) {
    const Answer answer = request(port(), "POST", "/v1/interactions", body, "Content-Type: " + type + "\r\n");
    return std::to_string(answer.code) + " " + json_of(answer)["accepted"].dump();
  };
  // curl's own type, with the line ends (--data-binary) and without them (-d @FILE).
  for (const char* type : {"application/json", "application/x-www-form-urlencoded", "text/plain"}) {
    CAPTURE(type);
    CHECK(taken(line + "\n" + line + "\n", type) == "202 2");
    CHECK(taken("\xEF\xBB\xBF" + line + " \r\n\t" + line, type) == "202 2");
    CHECK(taken(line + line + line, type) == "202 3");
    CHECK(taken(line + "\n{\"type\":\n" + line, type) == "202 3");  // the broken line is the engine's to refuse
  }
  CHECK(taken("[" + line + ",\n" + line + "]", "application/x-ndjson") == "202 2");
  const std::size_t before = engine.ingested().size();
  // One object over several lines, some of which end or begin with a brace, is one event.
  CHECK(post(port(), "/v1/interactions", "{\"type\":\"view\",\"a\":{\"b\":{}\n},\n\"c\":[{},\n{}]}\n").code == 202);
  CHECK(engine.ingested().size() == before + 1);
}

TEST_CASE_FIXTURE(Serving, "a call of which nothing was taken is an error that says why, and carries the counts") {
  start();
  const Answer answer = post(port(), "/v1/interactions", "[{},{\"a\":1}]");
  check_error(answer, 400, "INVALID_ARGUMENT");
  const auto body = json_of(answer);
  CHECK(body["error"]["message"] == "none of the 2 events was taken: type is required");
  CHECK(body["accepted"] == 0);
  CHECK(body["rejected"] == 2);
  CHECK(body["rejections"][1]["index"] == 1);
  CHECK(body["reflected_at"]["offset"] == 2);
}

TEST_CASE_FIXTURE(Serving, "a check judges events and takes none") {
  start();
  const Answer answer = post_lines(port(), "/v1/interactions/check", "{\"type\":\"view\"}\n{}\n");
  CHECK(answer.code == 200);
  CHECK(json_of(answer) == nlohmann::json::parse(R"({"accepted":1,"rejected":1,"repeated":false,
    "rejections":[{"index":1,"reason":"type is required"}]})"));
  CHECK(engine.ingested().empty());
}

TEST_CASE_FIXTURE(Serving, "online features come in Feast's shape with every status") {
  start();
  const auto body = json_of(post(port(), "/get-online-features", R"({
    "features":["user_place","user_total:count","user_recent"],
    "entities":{"user_id":["u1","nobody","idle","old"]}})"));
  CHECK(body["metadata"]["feature_names"].dump() == R"(["user_id","user_place","count","user_recent"])");
  CHECK(body["results"].size() == 4);
  CHECK(body["results"][0]["values"].dump() == R"(["u1","nobody","idle","old"])");
  CHECK(body["results"][1] == nlohmann::json::parse(R"({
    "values":[{"p1":1.5,"p 2/ü":0.25},null,null,null],
    "statuses":["PRESENT","NOT_FOUND","NULL_VALUE","OUTSIDE_MAX_AGE"],
    "event_timestamps":["2024-05-01T12:00:00.123Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z",
      "1970-01-01T00:00:00Z"]})"));
  CHECK(body["results"][2]["values"].dump() == "[7,null,null,null]");
  CHECK(body["results"][3]["values"][0].dump() ==
        R"([["p1","2024-05-01T12:00:00.123Z",1.5],["p 2/ü","2024-05-01T00:00:00Z",0.25]])");
  CHECK(body["freshness"]["tier"] == "L2");
}

TEST_CASE_FIXTURE(Serving, "online features of two kinds of entity are columns of one table") {
  start();
  const auto body = json_of(post(port(), "/get-online-features", R"({"full_feature_names":true,
    "features":["place_total:count","user_total:count"],
    "entities":{"place_id":["p1",7],"user_id":["u1","nobody"]}})"));
  CHECK(body["metadata"]["feature_names"].dump() ==
        R"(["user_id","place_id","place_total__count","user_total__count"])");
  CHECK(body["results"][1]["values"].dump() == R"(["p1",7])");
  CHECK(body["results"][2]["values"].dump() == "[7,7]");
  CHECK(body["results"][3]["values"].dump() == "[7,null]");
}

TEST_CASE_FIXTURE(Serving, "what Feast's clients send is understood: no feature service, integer keys, full names") {
  start();
  const auto body = json_of(post(port(), "/get-online-features", R"({"feature_service":null,"full_feature_names":true,
    "features":["user_total","user_place:decayed_sum"],
    "entities":{"user_id":[1001,1001.0,"1001",18446744073709551615]}})"));
  CHECK(body["metadata"]["feature_names"].dump() == R"(["user_id","user_total__count","user_place__decayed_sum"])");
  CHECK(body["results"][0]["values"].dump() == R"([1001,1001,"1001",18446744073709551615])");
  CHECK(mentions(check_error(post(port(), "/get-online-features",
                                  R"({"feature_service":"f","features":["user_total"],"entities":{"user_id":[1]}})"),
                             400, "INVALID_ARGUMENT"),
                 "there are none here; name views in features"));
}

TEST_CASE_FIXTURE(Serving, "online features that cannot be answered are refused by name") {
  start();
  const auto refused = [this](std::string_view body) {
    return check_error(post(port(), "/get-online-features", body), 400, "INVALID_ARGUMENT");
  };
  CHECK(refused(R"({"features":["user_plac"],"entities":{"user_id":["u"]}})") ==
        "unknown feature view 'user_plac'; did you mean 'user_place'?");
  CHECK(mentions(refused(R"({"features":["user_place:sum"],"entities":{"user_id":["u"]}})"), "decayed_sum"));
  CHECK(mentions(refused(R"({"features":["place_total"],"entities":{"user_id":["u"]}})"), "needs entities.place_id"));
  CHECK(mentions(refused(R"({"features":["user_total:count","place_total:count"],
    "entities":{"user_id":["u"],"place_id":["p"]}})"),
                 "full_feature_names"));
  CHECK(mentions(refused(R"({"features":["user_total"],"entities":{"user_id":["u"],"place_id":["p","q"]}})"),
                 "same length"));
  CHECK(refused(R"({"features":["user_total"],"entities":{"user":["u"]}})") ==
        "entities: unknown field 'user'; did you mean 'user_id'?");
  CHECK(mentions(refused(R"({"features":[],"entities":{"user_id":["u"]}})"), "at least one"));
  CHECK(mentions(refused(R"({"features":["user_total"]})"), "entities is required"));
}

TEST_CASE_FIXTURE(Serving, "plain features carry counts and times") {
  start();
  const auto body = json_of(get(port(), "/v1/features/user/u1?views=user_total"));
  CHECK(body == nlohmann::json::parse(R"({"entity":"user","key":"u1","features":[{"view":"user_total",
    "status":"PRESENT","entries":[{"dimension":"","value":7.0,"count":7,"newest":"2024-05-01T12:00:00.123Z"}]}],
    "freshness":{"watermarks":[{"source":"api","partition":0,"offset":42}],
      "durable":[{"source":"api","partition":0,"offset":40}],
      "newest_event":"2024-05-01T12:00:00.123Z","tier":"L2"}})"));
  CHECK(json_of(get(port(), "/v1/features/user/u1?views=user_total,user_place"))["features"].size() == 2);
  CHECK(json_of(get(port(), "/v1/features/place/p1?as_of=2024-05-01T00:00:00Z"))["features"].size() == 1);
  // The plus of an offset, encoded or as it is, which an address's reader takes for a space.
  for (const char* as_of : {"2024-05-01T02:00:00%2B02:00", "2024-05-01T02:00:00+02:00", "2024-05-01+02:00:00.5+02:00",
                            "2024-05-01T02:00:00-02:00"}) {
    CAPTURE(as_of);
    CHECK(get(port(), "/v1/features/place/p1?as_of=" + std::string(as_of)).code == 200);
  }
  check_error(get(port(), "/v1/features/place/p1?as_of=2024-05-01T02:00+02:00"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/features/users/u1"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/features/user/u1?views=none"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/features/user/u1?view=user_total"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/features/user/u1?as_of=now"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/features/user/" + std::string(129, 'k')), 400, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "a place is found by its percent-decoded id") {
  start();
  CHECK(
      json_of(get(port(), "/v1/places/p1")) ==
      nlohmann::json::parse(
          R"({"place_id":"p1","name":"Caffe \"Reggio\"","lat":40.7303,"lon":-74.0003,"category":"cafe","attributes":{}})"));
  CHECK(json_of(get(port(), "/v1/places/a%2Fb%20%C3%BC"))["name"] == "odd id");
  CHECK(mentions(check_error(get(port(), "/v1/places/nowhere"), 404, "NOT_FOUND"), "nowhere"));
  check_error(get(port(), "/v1/places/%zz"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/places/%C3%28"), 400, "INVALID_ARGUMENT");
  check_error(get(port(), "/v1/places/a%00b"), 400, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "a place is deleted, with its history where that is asked for") {
  start();
  const auto erase = [&](const std::string& target) { return request(port(), "DELETE", target); };
  check_error(erase("/v1/places/p1?history=gone"), 400, "INVALID_ARGUMENT");
  check_error(erase("/v1/places/p1?history=keep&history=erase"), 400, "INVALID_ARGUMENT");
  CHECK(json_of(erase("/v1/places/p1")) ==
        nlohmann::json({{"deleted", true}, {"place_id", "p1"}, {"history", "kept"}}));
  check_error(erase("/v1/places/p1"), 404, "NOT_FOUND");
  check_error(get(port(), "/v1/places/p1"), 404, "NOT_FOUND");
  CHECK(engine.last_history() == PlaceHistory::kKeep);
  CHECK(json_of(erase("/v1/places/a%2Fb%20%C3%BC?history=erase"))["history"] == "erased");
  CHECK(engine.last_history() == PlaceHistory::kErase);
}

TEST_CASE_FIXTURE(Serving, "a user is erased and gets a receipt, and one that has to wait for a part is accepted") {
  const cairn::test::TemporaryFolder checkpoints;
  std::filesystem::create_directory(checkpoints / "2024-05-01");
  start({.checkpoints_dir = checkpoints.path()});
  const Answer erased = request(port(), "DELETE", "/v1/users/a%2Fb");
  CHECK(erased.code == 200);
  const auto receipt = json_of(erased);
  CHECK(receipt["user_id"] == "a/b");
  CHECK(receipt["erased_at"] == "2024-05-01T12:00:00Z");
  CHECK(receipt["complete"] == true);
  CHECK(receipt["parts"] ==
        nlohmann::json::parse(R"([{"where":"features","what":"entries","erased":3,"done":true,"detail":""}])"));
  CHECK(receipt["kept"] == nlohmann::json(kept_without_the_person()));
  CHECK(receipt["checkpoints"] == nlohmann::json::parse(R"(["2024-05-01"])"));
  engine.on_erase = [](const UserId& user) {
    return Result<ErasureReceipt>(ErasureReceipt{user, {}, {}, {{"postgres", "rows", 0, false, "it is down"}}});
  };
  const Answer waits = request(port(), "DELETE", "/v1/users/u1");
  CHECK(waits.code == 202);
  CHECK(json_of(waits)["complete"] == false);
  engine.on_erase = [](const UserId&) { return Result<ErasureReceipt>(resource_exhausted("full")); };
  check_error(request(port(), "DELETE", "/v1/users/u1"), 503, "RESOURCE_EXHAUSTED");
}

TEST_CASE_FIXTURE(Serving, "an event is retracted or replaced by its id, with what it said where that is sent") {
  start();
  EventCorrection seen;
  std::string original;
  std::string replacement;
  engine.on_correct = [&](const EventCorrection& correction) {
    seen = correction;
    original = correction.original;
    replacement = correction.replacement;
    return Result<CorrectionAck>(CorrectionAck{.reflected_at = {"api", {Partition{0}, Offset{9}, {}}},
                                               .found_in = "event_log",
                                               .replaced_by = replacement.empty() ? "" : "e~1"});
  };
  const Answer retracted = request(port(), "DELETE", "/v1/interactions/a%2Fb");
  CHECK(retracted.code == 202);
  CHECK(seen.event_id == "a/b");
  CHECK(original.empty());
  CHECK(replacement.empty());
  CHECK(json_of(retracted)["event_id"] == "a/b");
  CHECK(json_of(retracted)["found_in"] == "event_log");
  CHECK_FALSE(json_of(retracted).contains("replaced_by"));
  CHECK(json_of(retracted)["reflected_at"]["offset"] == 9);

  CHECK(request(port(), "DELETE", "/v1/interactions/e", R"({"user_id":"u"})").code == 202);
  CHECK(original == R"({"user_id":"u"})");
  CHECK(request(port(), "PUT", "/v1/interactions/e", R"({"new":1})").code == 202);
  CHECK(original.empty());
  CHECK(replacement == R"({"new":1})");
  const Answer replaced = request(port(), "PUT", "/v1/interactions/e", R"([{"old":1},{"new":1}])");
  CHECK(original == R"({"old":1})");
  CHECK(replacement == R"({"new":1})");
  CHECK(json_of(replaced)["replaced_by"] == "e~1");

  check_error(request(port(), "PUT", "/v1/interactions/e"), 400, "INVALID_ARGUMENT");
  check_error(request(port(), "PUT", "/v1/interactions/e", "[{},{},{}]"), 400, "INVALID_ARGUMENT");
  check_error(request(port(), "DELETE", "/v1/interactions/e", "[{},{}]"), 400, "INVALID_ARGUMENT");
  engine.on_correct = [](const EventCorrection&) { return Result<CorrectionAck>(not_found("no event 'e'")); };
  check_error(request(port(), "DELETE", "/v1/interactions/e"), 404, "NOT_FOUND");
}

TEST_CASE_FIXTURE(Serving, "all that is known of a user is told as JSON") {
  engine.on_export = [](const UserId& user) {
    UserExport all{.user = user, .refused_until = event_time_from_ms(1'714'564'800'000)};
    all.features = {{"user_history", FeatureStatus::kPresent, {{"p1", 1.0, 2, event_time_from_ms(1'714'564'800'000)}}}};
    all.events = {
        {"postgres", event_time_from_ms(1'714'564'800'000), "p1", "rate", 4.5, GeoPoint{1, 2}, "e1", "kafka"},
        {.where = "event_log", .place = "p2", .type = "view", .source = "api"},
        {.where = "event_log", .place = "p2", .type = "view", .event_id = "e2", .source = "api", .retracts = true}};
    all.refused_records = {R"({"source":"api"})"};
    return Result<UserExport>(std::move(all));
  };
  start();
  CHECK(json_of(get(port(), "/v1/users/u1/export")) == nlohmann::json::parse(R"({"user_id":"u1",
    "refused_until":"2024-05-01T12:00:00Z",
    "features":[{"view":"user_history","status":"PRESENT",
                 "entries":[{"dimension":"p1","value":1,"count":2,"newest":"2024-05-01T12:00:00Z"}]}],
    "events":[{"where":"postgres","ts":"2024-05-01T12:00:00Z","place_id":"p1","type":"rate","value":4.5,"lat":1,"lon":2,
               "event_id":"e1","source":"kafka"},
              {"where":"event_log","ts":"1970-01-01T00:00:00Z","place_id":"p2","type":"view","source":"api"},
              {"where":"event_log","ts":"1970-01-01T00:00:00Z","place_id":"p2","type":"view","event_id":"e2","source":"api",
               "retract":true}],
    "refused_records":["{\"source\":\"api\"}"]})"));
}

TEST_CASE_FIXTURE(Serving, "places are added from an array, from lines and alone") {
  start();
  const Answer array =
      post(port(), "/v1/places",
           R"([{"place_id":"n1","lat":1,"lon":2},{"place_id":77,"name":"N","lat":3,"lon":4,"category":"c"}])");
  CHECK(array.code == 200);
  CHECK(json_of(array)["upserted"] == 2);
  CHECK(engine.get_place({}, PlaceId("77"))->category == "c");
  CHECK(post_lines(port(), "/v1/places", "{\"place_id\":\"n3\",\"lat\":1,\"lon\":2}\n").code == 200);
  CHECK(post(port(), "/v1/places", R"({"place_id":"n4","lat":1,"lon":2})").code == 200);
  CHECK(engine.get_place({}, PlaceId("n4"))->position == GeoPoint{1, 2});
}

TEST_CASE_FIXTURE(Serving, "one bad place refuses all of them and is named by its position") {
  start();
  const auto refused = [this](std::string_view body) {
    return check_error(post(port(), "/v1/places", body), 400, "INVALID_ARGUMENT");
  };
  CHECK(refused(R"([{"place_id":"x","lat":1,"lon":2},{"place_id":"y","lat":1}])") ==
        "place 1: lat and lon are given together or not at all");
  CHECK(refused(R"([{"place_id":"x","lat":1,"lon":2,"categry":"c"}])") ==
        "place 0: unknown field 'categry'; did you mean 'category'?");
  CHECK(mentions(refused(R"([{"place_id":"x","place_id":"y","lat":1,"lon":2}])"), "place 0: "));
  CHECK(mentions(refused(R"([{"lat":1,"lon":2}])"), "place_id is required"));
  CHECK(mentions(refused(R"([{"place_id":"x"}])"), "lat and lon are required"));
  CHECK(!engine.get_place({}, PlaceId("x")).ok());
}

TEST_CASE_FIXTURE(Serving, "the status carries counts, lag and checks") {
  start();
  const auto body = json_of(get(port(), "/v1/status"));
  CHECK(body["version"] == "9.8.7");
  CHECK(body["ready"] == true);
  CHECK(body["events_applied"] == 1234);
  CHECK(body["durable"] == nlohmann::json::parse(R"([{"source":"api","partition":0,"offset":80}])"));
  CHECK(body["memory"][1] == nlohmann::json::parse(R"({"part":"row_cache","bytes":2000000,"limit":268435456})"));
  CHECK(body["consumers"][0]["lag"] == 10);
  CHECK(body["consumers"][1]["lag"].is_null());
  CHECK(body["checks"][1]["name"] == "postgres");
}

TEST_CASE_FIXTURE(Serving, "a checkpoint is made in its folder and nowhere else") {
  const test::TemporaryFolder scratch;
  const std::string folder = scratch / "checkpoints";
  HttpOptions options;
  options.checkpoints_dir = folder;
  start(options);
  const auto body = json_of(post(port(), "/v1/checkpoint", R"({"path":"2024-05-01"})"));
  CHECK(body["path"] == folder + "/2024-05-01");
  CHECK(body["bytes"] == 4096);
  CHECK(body["watermarks"][0]["offset"] == 42);
  CHECK(std::filesystem::is_directory(folder));
  CHECK(json_of(post(port(), "/v1/checkpoint", "{\"path\":\"" + folder + "/in_full\"}"))["path"] ==
        folder + "/in_full");
  check_error(post(port(), "/v1/checkpoint", R"({"path":"exists"})"), 409, "ALREADY_EXISTS");
  for (const std::string& path :
       {std::string("/tmp/elsewhere"), std::string(".."), std::string("../x"), std::string("a/b"),
        std::string("a/../../b"), std::string("."), std::string(".hidden"), std::string("a b"), std::string("-a"),
        std::string(129, 'a'), folder, folder + "/", folder + "/../x", folder + "/a/b", folder + "x/y",
        std::string("")}) {
    CAPTURE(path);
    const std::string message =
        check_error(post(port(), "/v1/checkpoint", "{\"path\":\"" + path + "\"}"), 400, "INVALID_ARGUMENT");
    CHECK(message.find("state.checkpoints") != std::string::npos);
  }
  check_error(post(port(), "/v1/checkpoint", "{}"), 400, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "a server without a folder for checkpoints makes none, and says which key gives it one") {
  start();
  const std::string message =
      check_error(post(port(), "/v1/checkpoint", R"({"path":"x"})"), 400, "FAILED_PRECONDITION");
  CHECK(message.find("state.checkpoints") != std::string::npos);
}

TEST_CASE_FIXTURE(Serving, "a model is activated from its folder and from nowhere else") {
  Mutex mutex;
  std::vector<std::string> asked;
  engine.on_activate = [&](const std::string& directory, ModelChoice choice) -> Result<ModelStatus> {
    const MutexLock lock(mutex);
    asked.push_back(directory + (choice == ModelChoice::kForNow ? "" : " as configured"));
    if (directory.ends_with("/absent")) return not_found(directory + ": is no model directory");
    if (directory.ends_with("/broken")) return failed_precondition(directory + ": the score of item 'x' is not finite");
    return ModelStatus{.configured = "/models/a", .directory = directory, .version = "0123456789abcdef-3"};
  };
  HttpOptions options;
  options.models_dir = "/models";
  start(options);
  const auto activate = [&](const std::string& dir) {
    return post(port(), "/v1/model/activate", nlohmann::json({{"dir", dir}}).dump());
  };
  const auto body = json_of(activate("2024-05-01"));
  CHECK(body["directory"] == "/models/2024-05-01");
  CHECK(body["version"] == "0123456789abcdef-3");
  CHECK(body["as_configured"] == false);
  CHECK(json_of(activate("/models/a"))["as_configured"] == true);
  CHECK(activate("b/").code == 200);  // as shells complete it
  CHECK(mentions(check_error(activate("absent"), 404, "NOT_FOUND"), "no model directory"));
  CHECK(mentions(check_error(activate("broken"), 400, "FAILED_PRECONDITION"), "not finite"));
  {
    const MutexLock lock(mutex);
    CHECK(asked ==
          std::vector<std::string>{"/models/2024-05-01", "/models/a", "/models/b", "/models/absent", "/models/broken"});
    asked.clear();
  }
  for (const std::string& dir :
       {std::string("/etc"), std::string(".."), std::string("../x"), std::string("a/b"), std::string("a/../../b"),
        std::string("."), std::string(".hidden"), std::string("a b"), std::string("-a"), std::string(129, 'a'),
        std::string("/models"), std::string("/models/"), std::string("/models/../x"), std::string("/models/a/b"),
        std::string("/modelsx"), std::string("/"), std::string("")}) {
    CAPTURE(dir);
    CHECK(mentions(check_error(activate(dir), 400, "INVALID_ARGUMENT"), "model.root"));
  }
  check_error(post(port(), "/v1/model/activate", "{}"), 400, "INVALID_ARGUMENT");
  check_error(post(port(), "/v1/model/activate", R"({"dir":"a","force":true})"), 400, "INVALID_ARGUMENT");
  const MutexLock lock(mutex);
  CHECK(asked.empty());
}

TEST_CASE_FIXTURE(Serving, "a server without a folder of models activates none, and says which key gives it one") {
  start();
  CHECK(mentions(check_error(post(port(), "/v1/model/activate", R"({"dir":"x"})"), 400, "FAILED_PRECONDITION"),
                 "model.root"));
}

TEST_CASE_FIXTURE(Serving, "the status tells of the model in force, and of none") {
  start();
  CHECK(json_of(get(port(), "/v1/model")) ==
        nlohmann::json::parse(R"({"in_force":false,"configured":"","as_configured":true,"last_failure":null,
          "ranker":{"configured":"","as_configured":true,"directory":"","version":0,"network":false,
            "last_failure":null}})"));
  engine.status_answer.model = {.configured = "/m/a",
                                .directory = "/m/b",
                                .version = "0123456789abcdef-3",
                                .kind = "ials",
                                .items = 10,
                                .segments = 5,
                                .items_without_place = 4,
                                .memory_bytes = 2048,
                                .loaded = event_time_from_ms(1'714'564'800'000),
                                .last_failure = {{event_time_from_ms(1'714'564'800'000), "/m/c", "it is gone"}},
                                .ranker = {.configured = "/r/a",
                                           .directory = "/r/b",
                                           .version = 12,
                                           .network = true,
                                           .last_failure = {{event_time_from_ms(0), "/r/a", "it is broken"}}}};
  const auto model = json_of(get(port(), "/v1/model"));
  CHECK(model == nlohmann::json::parse(R"({"in_force":true,"configured":"/m/a","as_configured":false,
    "directory":"/m/b","version":"0123456789abcdef-3","kind":"ials","items":10,"segments":5,"items_without_place":4,
    "places_without_item":null,"memory_bytes":2048,"loaded":"2024-05-01T12:00:00Z",
    "last_failure":{"at":"2024-05-01T12:00:00Z","directory":"/m/c","reason":"it is gone"},
    "ranker":{"configured":"/r/a","as_configured":false,"directory":"/r/b","version":12,"network":true,
      "last_failure":{"at":null,"directory":"/r/a","reason":"it is broken"}}})"));
  CHECK(json_of(get(port(), "/v1/status"))["model"] == model);
}

TEST_CASE_FIXTURE(Serving, "waiting passes its limit on and reports a timeout") {
  std::atomic<std::int64_t> asked_ms{0};
  engine.on_wait = [&](const CallContext& context) {
    // The deadline lies `timeout_ms` after the request was received, which is a little before now.
    const auto left = context.deadline.value() - std::chrono::steady_clock::now();
    asked_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return asked_ms <= 1 ? deadline_exceeded("still behind") : Status();
  };
  start();
  CHECK(json_of(post(port(), "/v1/wait-caught-up", R"({"timeout_ms":61234})"))["caught_up"] == true);
  CHECK(asked_ms > 30000);
  CHECK(asked_ms <= 61234);
  CHECK(post(port(), "/v1/wait-caught-up", "").code == 200);
  CHECK(asked_ms <= 30000);
  CHECK(asked_ms > 1000);
  check_error(post(port(), "/v1/wait-caught-up", R"({"timeout_ms":1})"), 504, "DEADLINE_EXCEEDED");
  check_error(post(port(), "/v1/wait-caught-up", R"({"timeout_ms":-1})"), 400, "INVALID_ARGUMENT");
  engine.on_wait = [](const CallContext& context) { return context.check(); };  // it is there, once somebody looks
  CHECK(post(port(), "/v1/wait-caught-up", R"({"timeout_ms":0})").code == 200);
}

TEST_CASE_FIXTURE(Serving, "views and ranking features are listed") {
  start();
  const auto views = json_of(get(port(), "/v1/feature-views"))["feature_views"];
  CHECK(views.size() == 4);
  CHECK(views[2]["aggregate"] == "sequence");
  CHECK(views[2]["dimension"] == "place");
  const auto ranking = json_of(get(port(), "/v1/ranking-features"))["ranking_features"];
  CHECK(ranking[1] == nlohmann::json({{"name", "affinity"},
                                      {"meaning", "decayed visits of the user"},
                                      {"default_weight", 2.5},
                                      {"weight", 2.5},
                                      {"own", false}}));
}

TEST_CASE_FIXTURE(Serving, "readiness follows the required checks, and those alone") {
  engine.status_answer.checks = {{"state", true, true, ""}, {"postgres", false, false, "refused"}};
  start();
  CHECK(get(port(), "/healthz").code == 200);
  CHECK(get(port(), "/livez").code == 200);
  const Answer ready = get(port(), "/readyz");
  CHECK(ready.code == 200);
  CHECK(json_of(ready)["checks"].size() == 3);
}

TEST_CASE_FIXTURE(Serving, "a failing required check is named, and can be excluded") {
  engine.status_answer.checks = {{"state", true, true, ""}, {"disk", false, true, "4 MB free"}};
  start();
  const Answer answer = get(port(), "/readyz");
  CHECK(mentions(check_error(answer, 503, "UNAVAILABLE"), "disk (4 MB free)"));
  CHECK(json_of(answer)["ready"] == false);
  CHECK(get(port(), "/readyz?exclude=disk").code == 200);
  CHECK(get(port(), "/readyz?exclude=state,disk").code == 200);
  CHECK(get(port(), "/readyz?exclude=state").code == 503);
}

TEST_CASE_FIXTURE(Serving, "an unknown path is 404, a known one asked wrongly 405 with Allow") {
  start();
  check_error(get(port(), "/v1/nothing"), 404, "NOT_FOUND");
  check_error(get(port(), "/"), 404, "NOT_FOUND");
  check_error(get(port(), "/v1/places/a/b"), 404, "NOT_FOUND");
  const Answer got = get(port(), "/v1/interactions");
  check_error(got, 405, "UNIMPLEMENTED");
  CHECK(got.headers.at("allow") == "POST");
  const Answer posted = post(port(), "/metrics", "");
  check_error(posted, 405, "UNIMPLEMENTED");
  CHECK(posted.headers.at("allow") == "GET, HEAD");
  CHECK(request(port(), "DELETE", "/v1/status").code == 405);
  CHECK(request(port(), "PUT", "/v1/places/p1").headers.at("allow") == "GET, HEAD, DELETE");
}

TEST_CASE_FIXTURE(Serving, "HEAD answers with GET's header alone") {
  start();
  const Answer full = get(port(), "/v1/places/p1");
  RawClient client(port());
  client.send("HEAD /v1/places/p1 HTTP/1.1\r\nHost: t\r\n\r\nGET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
  const Answer head = client.read_answer(true);
  CHECK(head.code == 200);
  CHECK(head.headers.at("content-length") == std::to_string(full.body.size()));
  CHECK(client.read_answer().body == R"({"status":"ok"})");
}

TEST_CASE_FIXTURE(Serving, "the request id is the caller's, or a new one") {
  start();
  const auto id_for = [this](const std::string& header) {
    return request(port(), "GET", "/healthz", "", header).headers.at("x-request-id");
  };
  CHECK(id_for("X-Request-Id: abc-123\r\n") == "abc-123");
  CHECK(id_for("X-Request-Id: has space\r\n").size() == 16);
  CHECK(id_for("") != id_for(""));
}

TEST_CASE_FIXTURE(Serving, "a write that a browser sends for a foreign page is refused") {
  start();
  const auto from = [this](const std::string& origin) {
    return request(port(), "POST", "/v1/interactions", "{\"type\":\"view\"}", "Origin: " + origin + "\r\n").code;
  };
  CHECK(from("http://test") == 202);
  CHECK(from("http://evil.example") == 403);
  CHECK(from("null") == 403);
  CHECK(request(port(), "GET", "/healthz", "", "Origin: http://evil.example\r\n").code == 200);
}

TEST_CASE_FIXTURE(Serving, "status tells of each consumer how it is, and metrics do") {
  engine.status_answer.health = {
      {.consumer = "features", .source = "api", .required = true, .gap_records = 0, .unchecked = {}, .troubles = {}},
      {.consumer = "sql",
       .source = "kafka",
       .required = false,
       .gap_records = 12,
       .gap_bytes = 340,
       .unchecked = {{Partition{2}, Offset{56}, event_time_from_ms(1'714'564'800'000)}},
       .troubles = {{.partition = std::nullopt,
                     .blocked = true,
                     .gap = false,
                     .since = event_time_from_ms(1'714'564'800'000),
                     .reason = "no right",
                     .remedy = "grant it"}}}};
  start();
  const auto health = nlohmann::json::parse(get(port(), "/v1/status").body)["consumer_health"];
  CHECK(health[0] == nlohmann::json({{"name", "features:api"},
                                     {"state", "running"},
                                     {"required", true},
                                     {"gap_records", 0},
                                     {"gap_bytes", 0},
                                     {"unchecked", nlohmann::json::array()},
                                     {"troubles", nlohmann::json::array()}}));
  CHECK(health[1]["state"] == "blocked");
  CHECK(health[1]["gap_bytes"] == 340);
  CHECK(health[1]["unchecked"] ==
        nlohmann::json::array({{{"partition", 2}, {"offset", 56}, {"since", "2024-05-01T12:00:00Z"}}}));
  CHECK(health[1]["troubles"][0] == nlohmann::json({{"partition", nullptr},
                                                    {"blocked", true},
                                                    {"gap", false},
                                                    {"since", "2024-05-01T12:00:00Z"},
                                                    {"reason", "no right"},
                                                    {"remedy", "grant it"}}));
  const std::string metrics = get(port(), "/metrics").body;
  for (const char* line : {"cairn_consumer_blocked{consumer=\"features\",source=\"api\"} 0",
                           "cairn_consumer_blocked{consumer=\"sql\",source=\"kafka\"} 1",
                           "cairn_consumer_gap_records_total{consumer=\"sql\",source=\"kafka\"} 12",
                           "cairn_consumer_gap_bytes_total{consumer=\"sql\",source=\"kafka\"} 340",
                           "cairn_consumer_unchecked_partitions{consumer=\"sql\",source=\"kafka\"} 1"}) {
    CHECK_MESSAGE(metrics.find(line) != std::string::npos, line);
  }
}

TEST_CASE_FIXTURE(Serving, "a body that is no JSON is told who reads it") {
  start();
  const std::string csv =
      check_error(post(port(), "/v1/places", "place_id,lat,lon\np1,1,2\n"), 400, "INVALID_ARGUMENT");
  CHECK(csv ==
        "a JSON object, an array of objects, or lines of objects are expected; a file of CSV is read by `cairn places "
        "import` and `cairn ingest`, which send it so");
  CHECK(check_error(post(port(), "/v1/interactions", " "), 400, "INVALID_ARGUMENT") ==
        "a JSON object, an array of objects, or lines of objects are expected, and the body is empty");
}

TEST_CASE("openapi.json describes exactly the routes") {
  const auto document = nlohmann::json::parse(serving::openapi_document());
  CHECK(document["info"]["version"] == CAIRN_VERSION);
  std::set<std::string> described;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert(method + " " + path);
      CHECK(operation.contains("operationId"));
      CHECK(operation["responses"].is_object());
    }
  }
  std::set<std::string> served;
  for (const serving::Route& route : serving::routes()) {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    served.insert(method + " " + std::string(route.pattern));
  }
  CHECK(described == served);
}

TEST_CASE("every reference in openapi.json leads somewhere") {
  const auto document = nlohmann::json::parse(serving::openapi_document());
  const std::function<void(const nlohmann::json&)> visit = [&](const nlohmann::json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string target = node["$ref"];
      CAPTURE(target);
      CHECK(document.contains(nlohmann::json::json_pointer(target.substr(1))));
    }
    if (node.is_structured()) {
      for (const auto& child : node) visit(child);
    }
  };
  visit(document);
}

TEST_CASE_FIXTURE(Serving, "every parameter that openapi.json gives a list is taken, and is one of a body as well") {
  start();
  const auto document = nlohmann::json::parse(serving::openapi_document());
  const auto body = document["components"]["schemas"]["RecommendRequest"]["properties"];
  std::size_t taken = 0;
  for (const auto& parameter : document["paths"]["/v1/recommendations"]["get"]["parameters"]) {
    if (parameter["in"] != "query") continue;
    const std::string name = parameter["name"];
    CAPTURE(name);
    CHECK(body.contains(name));
    const Answer answer = get(port(), "/v1/recommendations?cell=dr5ru&" + name + "=x");
    // Whatever is wrong with the value, the name is none that is not there.
    CHECK(answer.body.find("there is no parameter") == std::string::npos);
    ++taken;
  }
  CHECK(taken >= 15);
  CHECK(get(port(), "/v1/recommendations?cell=dr5ru&wher=x")
            .body.find("there is no parameter 'wher' here; did you mean "
                       "'where'?") != std::string::npos);
}

TEST_CASE_FIXTURE(Serving, "every field that openapi.json gives a recommendation is taken, and no other") {
  start();
  const auto schema = nlohmann::json::parse(serving::openapi_document())["components"]["schemas"]["RecommendRequest"];
  nlohmann::json values = {{"user_id", "u"},
                           {"lat", 1},
                           {"lon", 2},
                           {"cell", "dr5ru"},
                           {"snap", true},
                           {"position_time", 0},
                           {"time", 0},
                           {"limit", 1},
                           {"radius_meters", 1},
                           {"categories", nlohmann::json::array()},
                           {"exclude_categories", {"bar"}},
                           {"where", "price < 3"},
                           {"open_at", "now"},
                           {"open_unknown", true},
                           {"only", {"p1", 2}},
                           {"attributes", true},
                           {"exclude_seen", true},
                           {"exclude", {"p1", 2}},
                           {"rank", nlohmann::json::array()},
                           {"recent", nlohmann::json::array()},
                           {"cursor", ""},
                           {"max_per_category", 0},
                           {"diversity", 0.5},
                           {"segment", 0},
                           {"explore", "ucb"},
                           {"explore_strength", 0.5},
                           {"seed", 7},
                           {"explain", true},
                           {"reasons", "all"},
                           {"language", "de"},
                           {"min_offset", {{"source", "api"}, {"partition", 0}, {"offset", 0}}},
                           {"max_staleness_ms", 0},
                           {"on_stale", "wait"},
                           {"deadline_ms", 5000}};
  for (const auto& [name, ignored] : schema["properties"].items()) CHECK_MESSAGE(values.contains(name), name);
  CHECK(schema["properties"].size() == values.size());
  CHECK(post(port(), "/v1/recommendations", values.dump()).code == 200);
}

TEST_CASE_FIXTURE(Serving, "what is named to the cache reaches the engine, and naming nothing is refused") {
  start();
  const auto done = json_of(post(port(), "/v1/cache/invalidate",
                                 R"({"users":["u",7],"places":["p"],"categories":["cafe"],"cells":["dr5rs"]})"));
  CHECK(done == nlohmann::json::parse(R"({"invalidated":5,"all":false})"));
  CHECK(post(port(), "/v1/cache/invalidate", R"({"all":true})").code == 200);
  const std::vector<AnswerTags> named = engine.invalidated();
  REQUIRE(named.size() == 2);
  CHECK(named[0].users == std::vector<std::string>{"u", "7"});
  CHECK(named[0].places == std::vector<std::string>{"p"});
  CHECK(named[0].categories == std::vector<std::string>{"cafe"});
  CHECK(named[0].cells == std::vector<std::string>{"dr5rs"});
  CHECK(named[1].all);
  CHECK(mentions(check_error(post(port(), "/v1/cache/invalidate", "{}"), 400, "INVALID_ARGUMENT"), "nothing is named"));
  check_error(post(port(), "/v1/cache/invalidate", R"({"user":["u"]})"), 400, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "the cache tells of itself, alone and in the status") {
  start();
  engine.status_answer.answers = {.bytes = 10,
                                  .limit = 20,
                                  .entries = 1,
                                  .hits = 6,
                                  .stale_hits = 2,
                                  .misses = 2,
                                  .waited = 1,
                                  .outdated = 1,
                                  .passed = 3,
                                  .refreshes = 4,
                                  .evictions = 5,
                                  .disk_bytes = 11,
                                  .disk_limit = 12,
                                  .disk_hits = 13,
                                  .disk_misses = 14,
                                  .disk_writes = 15,
                                  .disk_dropped = 16,
                                  .disk_trouble = "full",
                                  .shared = true,
                                  .shared_hits = 17,
                                  .shared_misses = 18,
                                  .shared_passed = 19,
                                  .shared_writes = 20,
                                  .shared_dropped = 21,
                                  .shared_expired = 22,
                                  .shared_rows = 23,
                                  .shared_bytes = 24,
                                  .shared_trouble = "gone",
                                  .shared_alone = "files",
                                  .memory_age_ms = 25,
                                  .disk_age_ms = 26,
                                  .shared_age_ms = 27,
                                  .waited_us = 28,
                                  .disk_waited_us = 29,
                                  .shared_waited_us = 30,
                                  .heard = 31,
                                  .heard_up_to = 32,
                                  .warming = {.rounds = 17,
                                              .computed = 18,
                                              .failed = 19,
                                              .cut_short = 20,
                                              .running = true,
                                              .planned = 21,
                                              .done = 22,
                                              .last_ms = 23}};
  const auto cache = json_of(get(port(), "/v1/cache"));
  CHECK(cache == nlohmann::json::parse(R"({"bytes":10,"limit":20,"entries":1,"hit_ratio":0.8,"hits":6,"stale_hits":2,
    "misses":2,"outdated":1,"waited":1,"passed":3,"refreshes":4,"evictions":5,
    "age_ms_total":25,"waited_us_total":28,"heard":31,"heard_up_to":32,
    "disk":{"bytes":11,"limit":12,"hits":13,"misses":14,"writes":15,"dropped":16,"age_ms_total":26,
      "waited_us_total":29,"trouble":"full"},
    "shared":{"in_use":true,"hits":17,"misses":18,"passed":19,"writes":20,"dropped":21,"expired":22,"rows":23,
      "bytes":24,"age_ms_total":27,"waited_us_total":30,"trouble":"gone","alone":"files"},
    "warming":{"rounds":17,"running":true,"planned":21,"done":22,"computed":18,"failed":19,"cut_short":20,"last_ms":23}})"));
  CHECK(json_of(get(port(), "/v1/status"))["cache"] == cache);
}

TEST_CASE_FIXTURE(Serving, "status tells of batches and of what scans them") {
  BatchingStatus& batching = engine.status_answer.batching;
  batching = {.size = 64, .at_once = 2, .queue = 1024, .admitted = 21, .completed = 6, .rejected = 5, .expired = 4};
  batching.cancelled = 3;
  batching.waiting = 2;
  batching.running = 1;
  batching.batches = 3;
  batching.scanned = 8;
  batching.sizes[2] = 3;
  batching.waited[0] = 8;
  batching.waited_seconds = 0.5;
  engine.status_answer.compute = {.backend = "cuda/sm_90",
                                  .reason = "there is a CUDA device",
                                  .fallback = "cpu/avx2",
                                  .open = true,
                                  .scans = 10,
                                  .fallbacks = 2,
                                  .failures = 1,
                                  .trials = 1,
                                  .last_failure = "it hung"};
  start();
  const auto status = json_of(get(port(), "/v1/status"));
  const auto& told = status["batching"];
  CHECK(told["admitted"] == 21);
  CHECK(told["admitted"] == told["completed"].get<int>() + told["rejected"].get<int>() + told["expired"].get<int>() +
                                told["cancelled"].get<int>() + told["waiting"].get<int>() + told["running"].get<int>());
  CHECK(told["sizes"].size() == BatchingStatus::kSizeBounds.size() + 1);
  CHECK(told["sizes"][2] == nlohmann::json({{"up_to", 4.0}, {"count", 3}}));
  CHECK(told["sizes"].back()["up_to"].is_null());
  CHECK(told["waited"][0] == nlohmann::json({{"up_to", 0.0}, {"count", 8}}));
  CHECK(status["compute"] == nlohmann::json::parse(R"({"backend":"cuda/sm_90","reason":"there is a CUDA device",
    "fallback":"cpu/avx2","open":true,"scans":10,"fallbacks":2,"failures":1,"trials":1,"last_failure":"it hung"})"));
  const std::string metrics = get(port(), "/metrics").body;
  for (const char* line :
       {"cairn_batching_questions_total{outcome=\"rejected\"} 5", "cairn_batching_waiting 2",
        "cairn_batching_batch_size_bucket{le=\"4\"} 3", "cairn_batching_batch_size_sum 8",
        "cairn_batching_wait_seconds_count 8", "cairn_compute_breaker_open 1", "cairn_compute_fallbacks_total 2"}) {
    CAPTURE(line);
    CHECK(metrics.find(std::string(line) + "\n") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(Serving, "answers are warmed by the requests that would ask for them") {
  engine.on_recommend = [](const RecommendRequest& request) {
    return request.user == UserId("bad") ? invalid_argument("no such user") : ok_status();
  };
  start();
  const auto warmed = json_of(
      post(port(), "/v1/cache/warm", R"({"requests":[{"user_id":"a"},{"user_id":"bad"},{"user_id":"b","limit":3}]})"));
  CHECK(warmed == nlohmann::json::parse(R"({"warmed":2,"not_kept":0,"failed":1,"first_failure":"no such user"})"));
  CHECK(engine.last_recommend().limit == 3);
  CHECK(mentions(check_error(post(port(), "/v1/cache/warm", R"({"requests":[{"user_id":"a"},{"usr_id":"b"}]})"), 400,
                             "INVALID_ARGUMENT"),
                 "request 2"));
  for (const char* body : {"{}", R"({"requests":[]})", R"({"requests":{}})", R"({"requests":null})"}) {
    check_error(post(port(), "/v1/cache/warm", body), 400, "INVALID_ARGUMENT");
  }
}

TEST_CASE_FIXTURE(Serving, "openapi.json is served") {
  start();
  CHECK(get(port(), "/openapi.json").body == serving::openapi_document());
}

TEST_SUITE_END();
