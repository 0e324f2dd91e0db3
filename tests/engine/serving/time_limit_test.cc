#include "engine/serving/api/time_limit.h"

#include <doctest/doctest.h>

#include <future>
#include <memory>

#include "engine/serving/admission/admission.h"
#include "engine/serving/api/json_api.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;
using std::chrono::milliseconds;

namespace {

std::optional<milliseconds> recommend_time(std::string_view body) { return time_allowed(kRecommendTimeLimit, body); }

}  // namespace

TEST_SUITE_BEGIN("time limit");

TEST_CASE("a body that names its time gets it") {
  CHECK(recommend_time(R"({"user_id":"u","deadline_ms":250})") == milliseconds(250));
  CHECK(recommend_time("{ \"deadline_ms\" :\n 250 , \"user_id\":\"u\"}") == milliseconds(250));
  CHECK(recommend_time(R"({"min_offset":{"source":"api","offset":[1]},"deadline_ms":250})") == milliseconds(250));
  CHECK(recommend_time(R"({"user_id":"u"})") == milliseconds(1000));
}

TEST_CASE("only a member of the outermost object is the request's time") {
  CHECK(recommend_time(R"({"user_id":"deadline_ms"})") == milliseconds(1000));
  CHECK(recommend_time(R"({"user_id":"deadline_ms","limit":7})") == milliseconds(1000));
  CHECK(recommend_time(R"({"user_id":"{","min_offset":{"deadline_ms":250}})") == milliseconds(1000));
  CHECK(recommend_time(R"([{"deadline_ms":250}])") == milliseconds(1000));
}

TEST_CASE("a time that will be refused does not expire before the refusal") {
  for (const char* body : {R"({"deadline_ms":0})", R"({"deadline_ms":-5})", R"({"deadline_ms":60001})",
                           R"({"deadline_ms":"250"})", R"({"deadline_ms":2.5})", R"({"deadline_ms":1e2})",
                           R"({"deadline_ms":99999999999999999999})", R"({"deadline_ms":null})", R"({"deadline_ms":25)",
                           R"({"deadline_ms":)", R"({"deadline_ms)", R"("deadline_ms")"}) {
    CAPTURE(body);
    CHECK(recommend_time(body) == milliseconds(1000));
  }
}

TEST_CASE("what a search cannot tell has the longest time") {
  CHECK(recommend_time(R"({"deadline\u005fms":250})") == milliseconds(60'000));
  CHECK(recommend_time(R"({"user_id":"a\"b","deadline_ms":250})") == milliseconds(60'000));
  const std::string padding(70'000, ' ');
  CHECK(recommend_time(R"({"deadline_ms":250})" + padding) == milliseconds(60'000));
  CHECK(recommend_time(R"({"user_id":"u"})" + padding) == milliseconds(1000));
}

TEST_CASE("times are milliseconds, and no longer ones are given than there are") {
  CHECK(recommend_time(R"({"deadline_ms":1})") == milliseconds(1));
  CHECK(recommend_time(R"({"deadline_ms":60000})") == milliseconds(60'000));
  CHECK(time_allowed(kWaitTimeLimit, R"({"timeout_ms":1001})") == milliseconds(1001));
  CHECK(time_allowed(kWaitTimeLimit, R"({"timeout_ms":600000})") == milliseconds(600'000));
  CHECK(time_allowed(kWaitTimeLimit, R"({"timeout_ms":600001})") == milliseconds(30'000));
  CHECK(time_allowed(kUsualTimeLimit, R"({"deadline_ms":1})") == milliseconds(30'000));
}

/// The deadline that the engine is told, from when the request was received. Requests of an hour from now: whatever is
/// counted from the clock instead is an hour off, and nothing expires meanwhile.
struct Asked {
  FakeEngine engine;
  Admission admission{{.threads = 1}};
  JsonApi api{engine, admission};
  const std::chrono::steady_clock::time_point received = std::chrono::steady_clock::now() + std::chrono::hours(1);

  ~Asked() { admission.stop(); }

  int post(const std::string& target, const std::string& body) {
    auto request = std::make_shared<ApiRequest>();
    request->method = "POST";
    request->target = target;
    request->body = body;
    request->received = received;
    std::promise<int> code;
    api.handle(request, [&](const ApiResponse& response) { code.set_value(response.http_code); });
    return code.get_future().get();
  }
  milliseconds recommending(const std::string& body) {
    REQUIRE(post("/v1/recommendations", body) == 200);
    return std::chrono::duration_cast<milliseconds>(engine.last_context().deadline.value() - received);
  }
  milliseconds waiting(const std::string& body) {
    milliseconds told{0};
    engine.on_wait = [&](const CallContext& context) {
      told = std::chrono::duration_cast<milliseconds>(context.deadline.value() - received);
      return Status();
    };
    REQUIRE(post("/v1/wait-caught-up", body) == 200);
    return told;
  }
};

TEST_CASE("a request's time is counted from when it was received, so what it waited in a queue is its own") {
  Asked asked;
  CHECK(asked.recommending(R"({"user_id":"u","deadline_ms":250})") == milliseconds(250));
  CHECK(asked.recommending(R"({"user_id":"u","deadline_ms":60000})") == milliseconds(60'000));
  CHECK(asked.recommending(R"({"user_id":"u"})") == milliseconds(1000));
  CHECK(asked.recommending(R"({"user_id":"u","deadline\u005fms":250})") == milliseconds(250));
  CHECK(asked.waiting(R"({"timeout_ms":0})") == milliseconds(1000));
  CHECK(asked.waiting(R"({"timeout_ms":90000})") == milliseconds(90'000));
  CHECK(asked.waiting("") == milliseconds(30'000));
}

TEST_CASE("a request that waited longer than its time is refused and not run") {
  FakeEngine engine;
  Admission admission({.threads = 1});
  JsonApi api(engine, admission);
  auto request = std::make_shared<ApiRequest>();
  request->method = "POST";
  request->target = "/v1/recommendations";
  request->body = R"({"user_id":"u","deadline_ms":60000})";
  request->received = std::chrono::steady_clock::now() - std::chrono::seconds(61);
  std::promise<ApiResponse> answer;
  api.handle(request, [&](const ApiResponse& response) { answer.set_value(response); });
  CHECK(answer.get_future().get().status == StatusCode::kDeadlineExceeded);
  CHECK(engine.last_recommend().user.str().empty());
  admission.stop();
}

TEST_CASE("who asks without waiting has a second for the answer") {
  CHECK(time_allowed(kWaitTimeLimit, R"({"timeout_ms":0})") == milliseconds(1000));
  CHECK(time_allowed(kWaitTimeLimit, R"({"timeout_ms":90000})") == milliseconds(90'000));
  CHECK(time_allowed(kWaitTimeLimit, "") == milliseconds(30'000));
  CHECK(!time_allowed(kNoTimeLimit, R"({"timeout_ms":1})"));
}

TEST_CASE_FIXTURE(Serving, "the engine is told until when, for which request, and how to learn of a cancellation") {
  start();
  const auto before = std::chrono::steady_clock::now();
  CHECK(request(port(), "POST", "/v1/recommendations", R"({"user_id":"u","deadline_ms":5000})",
                "X-Request-Id: abc-123\r\n")
            .code == 200);
  const CallContext context = engine.last_context();
  CHECK(context.trace_id == "abc-123");
  CHECK(context.cancelled.stop_possible());
  REQUIRE(context.deadline.has_value());
  CHECK(*context.deadline >= before + milliseconds(5000));
  CHECK(*context.deadline <= std::chrono::steady_clock::now() + milliseconds(5000));
}

TEST_SUITE_END();
