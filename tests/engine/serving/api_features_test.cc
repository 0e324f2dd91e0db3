// Features, asked well and badly, through a real socket.

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("api");

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

TEST_SUITE_END();
