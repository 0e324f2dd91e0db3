// Places, and what is kept of users, through a real socket.

#include <filesystem>

#include "tests/engine/serving/server_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("api");

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

TEST_CASE_FIXTURE(Serving, "many places are deleted at once, and the ids that no place has are told") {
  start();
  REQUIRE(
      engine.upsert_places({}, std::vector<Place>{{PlaceId("7"), "", {1, 2}, ""}, {PlaceId("delete"), "", {1, 2}, ""}})
          .ok());
  const auto erase = [&](const std::string& body) { return post(port(), "/v1/places/delete", body); };
  CHECK(json_of(erase(R"({"place_ids":["p1",7,"nowhere","p1","nowhere"],"history":"erase"})")) ==
        nlohmann::json({{"deleted", 2}, {"unknown", {"nowhere"}}, {"history", "erased"}}));
  CHECK(engine.last_history() == PlaceHistory::kErase);
  check_error(get(port(), "/v1/places/p1"), 404, "NOT_FOUND");
  CHECK(json_of(erase(R"({"place_ids":["p1"]})")) ==
        nlohmann::json({{"deleted", 0}, {"unknown", {"p1"}}, {"history", "kept"}}));
  CHECK(engine.last_history() == PlaceHistory::kKeep);
  // The word is an id as well.
  CHECK(get(port(), "/v1/places/delete").code == 200);
  CHECK(request(port(), "DELETE", "/v1/places/delete").code == 200);
  check_error(erase(R"({"place_ids":[]})"), 400, "INVALID_ARGUMENT");
  check_error(erase(R"({"history":"keep"})"), 400, "INVALID_ARGUMENT");
  check_error(erase(R"({"place_ids":["a",""]})"), 400, "INVALID_ARGUMENT");
  check_error(erase(R"({"place_ids":["a"],"history":"gone"})"), 400, "INVALID_ARGUMENT");
  CHECK(mentions(check_error(erase(R"({"place_id":["a"]})"), 400, "INVALID_ARGUMENT"), "did you mean 'place_ids'"));
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

TEST_SUITE_END();
