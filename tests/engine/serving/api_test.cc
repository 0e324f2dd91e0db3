// Operators' routes, and what all routes have in common, through a real socket.

#include <atomic>
#include <filesystem>

#include "tests/engine/serving/server_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("api");

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

TEST_SUITE_END();
