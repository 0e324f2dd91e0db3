// Events and their corrections, sent well and badly, through a real socket.

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("api");

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

TEST_SUITE_END();
