#include "engine/serving/api/time_limit.h"

#include <doctest/doctest.h>

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
