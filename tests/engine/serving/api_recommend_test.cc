// Recommendations, asked well and badly, through a real socket.

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

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

TEST_SUITE_END();
