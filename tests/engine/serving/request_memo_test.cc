// Requests for recommendations that are asked again in the bytes that they came in before. What the engine is asked is
// compared with what nlohmann's parser reads of the body, or with what the test wrote into the address.

#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cairn/mutex.h"
#include "engine/serving/api/request_memo.h"
#include "tests/engine/serving/server_fixture.h"
#include "tests/support/environment_number.h"

using namespace cairn;
using namespace cairn::serving_test;
using serving::RequestMemo;

namespace {

constexpr std::size_t kRequests = 1024;

/// What tells the requests of these tests apart.
using Asked = std::tuple<std::string, std::size_t, std::string, std::string>;  // user, limit, cell, language

/// A server that has every answer, and notes for what it was asked.
struct KeepsAll : Serving {
  Mutex mutex;
  std::vector<Asked> asked CAIRN_GUARDED_BY(mutex);
  bool keeps CAIRN_GUARDED_BY(mutex) = true;

  KeepsAll() {
    engine.on_kept = [this](const RecommendRequest& request) -> std::optional<Recommendations> {
      const MutexLock lock(mutex);
      asked.emplace_back(request.user.str(), request.limit, request.cell, request.language);
      if (!keeps) return std::nullopt;
      Recommendations answer;
      answer.kept = {Tier::kMemory, std::chrono::milliseconds(5), false};
      return answer;
    };
  }
  Asked last() {
    const MutexLock lock(mutex);
    REQUIRE(!asked.empty());
    return asked.back();
  }
  std::size_t times() {
    const MutexLock lock(mutex);
    return asked.size();
  }
  Answer ask(const std::string& body, const std::string& language = "") {
    return request(port(), "POST", "/v1/recommendations", body,
                   language.empty() ? "" : "Accept-Language: " + language + "\r\n");
  }
};

}  // namespace

TEST_SUITE_BEGIN("request memo");

TEST_CASE("what was kept is found by its bytes and its language, and by nothing else") {
  RequestMemo memo(kRequests);
  std::shared_ptr<const serving::TimedRequest> nobody;
  // Nothing looks into a request here, so that any address will do.
  const auto one = std::make_shared<int>(1);
  const auto other = std::make_shared<int>(2);
  const auto as_request = [](const std::shared_ptr<int>& which) {
    return std::shared_ptr<const serving::TimedRequest>(which,
                                                        reinterpret_cast<const serving::TimedRequest*>(which.get()));
  };
  memo.keep("body", "de", as_request(one));
  CHECK(memo.find("body", "de") == as_request(one));
  CHECK(memo.find("body", "") == nobody);
  CHECK(memo.find("body", "en") == nobody);
  CHECK(memo.find("bod", "yde") == nobody);
  CHECK(memo.find("bodyde", "") == nobody);
  CHECK(memo.find("de", "body") == nobody);
  CHECK(memo.find("", "") == nobody);
  memo.keep("body", "de", as_request(other));
  CHECK(memo.find("body", "de") == as_request(other));
}

TEST_CASE("a memo holds no more than it may, the newest above all, and nothing that is long") {
  RequestMemo memo(kRequests);
  std::vector<std::weak_ptr<int>> kept;
  const auto keep = [&](const std::string& bytes, const std::string& language) {
    const auto made = std::make_shared<int>(0);
    memo.keep(bytes, language, {made, reinterpret_cast<const serving::TimedRequest*>(made.get())});
    kept.push_back(made);
  };
  keep(std::string(RequestMemo::kBytesMax + 1, 'x'), "");
  keep("", std::string(RequestMemo::kBytesMax + 1, 'x'));
  for (const auto& one : kept) CHECK(one.expired());
  for (std::size_t i = 0; i < 5 * kRequests; ++i) keep(std::to_string(i), "");
  std::size_t left = 0;
  for (const auto& one : kept) left += one.expired() ? 0 : 1;
  CHECK(left <= kRequests);
  CHECK(left > kRequests / 2);  // five times as many as places leave few of those empty
  CHECK(!kept.back().expired());
}

TEST_CASE_FIXTURE(KeepsAll, "the engine is asked for what the body says, however often and after whatever else") {
  start();
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 20261128);
  INFO("CAIRN_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  // Bodies that differ by a byte, by white space, by the order of members.
  std::vector<std::string> bodies;
  for (int user = 0; user < 20; ++user) {
    for (const int limit : {1, 2, 21}) {
      const std::string u = "u" + std::to_string(user);
      const std::string l = std::to_string(limit);
      bodies.push_back(R"({"user_id":")" + u + R"(","limit":)" + l + R"(,"lat":1,"lon":2})");
      bodies.push_back(R"({"user_id":")" + u + R"(", "limit":)" + l + R"(,"lat":1,"lon":2})");
      bodies.push_back(R"({"limit":)" + l + R"(,"user_id":")" + u + R"(","lat":1,"lon":2})");
      bodies.push_back(R"({"limit":)" + l + R"(,"user_id":")" + u + R"(","lat":1,"lon":2,"language":"fr"})");
    }
  }
  for (int round = 0; round < 1500; ++round) {
    const std::string& body = bodies[random() % bodies.size()];
    const std::string header = std::vector<std::string>{"", "de", "en"}[random() % 3];
    CHECK(ask(body, header).code == 200);
    const auto says = nlohmann::json::parse(body);
    CHECK(last() == Asked{says["user_id"], says["limit"], "", says.value("language", header)});
  }
}

TEST_CASE_FIXTURE(KeepsAll, "a body is no address, and an address no body") {
  start();
  const std::string target = "/v1/recommendations?cell=dr5ru&limit=3";
  for (int i = 0; i < 3; ++i) CHECK(get(port(), target).code == 200);
  CHECK(last() == Asked{"", 3, "dr5ru", ""});
  check_error(ask(target), 400, "INVALID_ARGUMENT");
  const std::string body = R"({"user_id":"u","cell":"dr5ru"})";
  for (int i = 0; i < 3; ++i) CHECK(ask(body).code == 200);
  // The body that comes with GET says nothing (RFC 9110, section 9.3.1), and the address goes with no POST.
  CHECK(request(port(), "GET", target, body).code == 200);
  CHECK(last() == Asked{"", 3, "dr5ru", ""});
  CHECK(get(port(), "/v1/recommendations?cell=dr5ru&limit=4").code == 200);
  CHECK(last() == Asked{"", 4, "dr5ru", ""});
  CHECK(get(port(), "/v1/recommendations?cell=dr5rv&limit=3").code == 200);
  CHECK(last() == Asked{"", 3, "dr5rv", ""});
}

TEST_CASE_FIXTURE(KeepsAll, "what is wrong with a request is told each time, and what is right beside it is answered") {
  start();
  for (int i = 0; i < 3; ++i) {
    CHECK(ask(R"({"user_id":"u","lat":1,"lon":2})").code == 200);
    check_error(ask(R"({"user_id":"u","lat":1,"lom":2})"), 400, "INVALID_ARGUMENT");
    check_error(ask(R"({"user_id":"u","lat":1,"lon":2)"), 400, "INVALID_ARGUMENT");
    CHECK(get(port(), "/v1/recommendations?cell=dr5ru").code == 200);
    check_error(get(port(), "/v1/recommendations?cell=dr5ru&limit=0"), 400, "INVALID_ARGUMENT");
  }
}

TEST_CASE_FIXTURE(KeepsAll,
                  "what is no longer kept is computed for the request that was read before, in its own time") {
  start();
  const std::string body = R"({"user_id":"u7","lat":1,"lon":2,"limit":7,"deadline_ms":60000})";
  for (int i = 0; i < 3; ++i) CHECK(ask(body, "de").code == 200);
  const std::size_t before = times();
  {
    const MutexLock lock(mutex);
    keeps = false;
  }
  const auto asked_at = std::chrono::steady_clock::now();
  CHECK(ask(body, "de").code == 200);
  CHECK(times() == before + 1);
  CHECK(engine.last_recommend().user == UserId("u7"));
  CHECK(engine.last_recommend().limit == 7);
  CHECK(engine.last_recommend().language == "de");
  const auto deadline = engine.last_context().deadline;
  REQUIRE(deadline);
  CHECK(*deadline >= asked_at + std::chrono::seconds(60));
  CHECK(*deadline <= std::chrono::steady_clock::now() + std::chrono::seconds(60));
}

TEST_SUITE_END();
