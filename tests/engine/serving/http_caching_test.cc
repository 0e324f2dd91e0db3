// What clients and caches between may keep (RFC 9110, RFC 9111): by the sections that say it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/serving/api/conditional.h"
#include "engine/serving/api/query.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;
using serving::names_etag;

namespace {

constexpr const char* kList = "/v1/recommendations?cell=dr5ru7&limit=3";

/// A GET or HEAD whose answer may have no content.
Answer without_content(std::uint16_t port, const std::string& method, const std::string& target,
                       const std::string& fields) {
  RawClient client(port);
  client.send(method + " " + target + " HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n");
  return client.read_answer(true);
}

std::string without(const Answer& answer, const std::string& name) {
  return answer.headers.contains(name) ? answer.headers.at(name) : "";
}

}  // namespace

TEST_SUITE_BEGIN("http caching");

TEST_CASE("tags are compared weakly, in lists of any spacing (9110, 8.8.3.2 and 13.1.2)") {
  CHECK(names_etag(R"(W/"1")", R"(W/"1")"));
  CHECK(names_etag(R"("1")", R"(W/"1")"));
  CHECK(names_etag(R"(W/"1")", R"("1")"));
  CHECK_FALSE(names_etag(R"(W/"1")", R"(W/"2")"));
  CHECK(names_etag("*", R"(W/"1")"));
  CHECK(names_etag(R"("a", W/"1" ,"b")", R"(W/"1")"));
  CHECK(names_etag(",,\t\"a\",,\"1\"", R"(W/"1")"));
  CHECK(names_etag(R"("a,1", "1")", R"(W/"1")"));  // a comma within a tag
  CHECK_FALSE(names_etag(R"("a,1")", R"(W/"1")"));
  CHECK_FALSE(names_etag(R"(1)", R"(W/"1")"));
  CHECK_FALSE(names_etag(R"("1)", R"(W/"1")"));
  CHECK_FALSE(names_etag(R"("a" "1")", R"(W/"1")"));
  CHECK_FALSE(names_etag("", R"(W/"1")"));
  CHECK_FALSE(names_etag("w/\"1\"", R"(W/"1")"));  // the prefix is case-sensitive (8.8.3)
}

TEST_CASE("a list that breaks the grammar of 9110, 8.8.3 and 13.1.2, in any part, names nothing") {
  constexpr const char* kTag = R"(W/"1")";
  const std::vector<std::string> well_formed = {
      R"("1")",     R"(W/"1")",        " \tW/\"1\" \t",          R"(W/"1",)", R"(,W/"1")", R"("","1")",
      R"("1","1")", R"("!#~[]\","1")", "\"\xe2\x82\xac\",\"1\"", "*",         " * ",
  };
  for (const std::string& list : well_formed) {
    INFO("list ", list);
    CHECK(names_etag(list, kTag));
  }
  const std::vector<std::string> malformed = {
      R"(W/"1"x)",   R"(W/"1" x)",     R"(W/"1", x)",  R"(W/"1",")", R"(W/"1","2)",
      R"(W/"1",2")", R"(W/"1""2")",    R"(W/"1";"2")", R"(x"1")",    R"(W/ "1")",
      R"(W"1")",     R"(W/W/"1")",     R"("1",*)",     R"(*,"1")",   "*x",
      "**",          R"("1","2 3")",   "\"1\",\"\t\"", R"('1')",     "\"1\",\"\x7f\"",
      "\"1\"\n",     "\"1\",\"a\nb\"", R"(W/)",        R"(")",
  };
  for (const std::string& list : malformed) {
    INFO("list ", list);
    CHECK_FALSE(names_etag(list, kTag));
  }
}

TEST_CASE("an entity tag has the form of 8.8.3, and tells texts apart") {
  const std::string tag = serving::weak_etag_of("text");
  CHECK(tag.starts_with("W/\""));
  CHECK(tag.ends_with("\""));
  CHECK(tag.size() == 20);
  CHECK(serving::weak_etag_of("text") == tag);
  CHECK(serving::weak_etag_of("texts") != tag);
}

TEST_CASE("how long something may be kept is written as 9111, 5.2.2, and RFC 5861 have it") {
  using std::chrono::seconds;
  CHECK(serving::cache_control_of({seconds(30), seconds(60), seconds(5)}) ==
        "public, max-age=30, s-maxage=60, stale-while-revalidate=5");
  CHECK(serving::cache_control_of({seconds(30), seconds(0), seconds(0)}) == "public, max-age=30, s-maxage=0");
  CHECK(serving::cache_control_of({}) == "public, no-cache");
}

TEST_CASE_FIXTURE(Serving,
                  "an answer for nobody in particular says how long it may be kept, and by which tag it is known") {
  start({.list_max_age = std::chrono::seconds(10),
         .list_shared_max_age = std::chrono::seconds(20),
         .list_stale = std::chrono::seconds(30)});
  const Answer answer = get(port(), kList);
  REQUIRE(answer.code == 200);
  CHECK(answer.headers.at("cache-control") == "public, max-age=10, s-maxage=20, stale-while-revalidate=30");
  CHECK(answer.headers.at("etag").starts_with("W/\""));
  CHECK(answer.headers.at("vary") == "Accept-Encoding");
  // 9111, 5.1: it was made 1,234 ms ago, for another.
  CHECK(answer.headers.at("age") == "1");
  CHECK(json_of(answer)["items"][0]["place_id"] == "p1");
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.user.str().empty());
  CHECK(asked.cell == "dr5ru7");
  CHECK_FALSE(asked.snap);
  CHECK(asked.limit == 3);
}

TEST_CASE_FIXTURE(Serving,
                  "a list takes the filters that a body takes, and what is open now is kept while it is true") {
  start({.list_max_age = std::chrono::seconds(10),
         .list_shared_max_age = std::chrono::seconds(60),
         .list_stale = std::chrono::seconds(30)});
  const std::string filters =
      "&where=price%20%3C%3D%2020&exclude_categories=bar&exclude_categories=pub&only=p1&only=p7&attributes=true";
  const Answer plain = get(port(), kList + filters + "&open_at=2026-05-01T12:00:00Z");
  REQUIRE(plain.code == 200);
  RecommendRequest asked = engine.last_recommend();
  CHECK(asked.where == "price <= 20");
  CHECK(asked.exclude_categories == std::vector<std::string>{"bar", "pub"});
  CHECK(asked.only == std::vector<PlaceId>{PlaceId("p1"), PlaceId("p7")});
  CHECK(asked.attributes);
  CHECK(asked.open_at == event_time_from_ms(1'777'636'800'000));
  CHECK(json_of(plain)["items"][0].contains("attributes"));
  // A time that is named does not pass.
  CHECK(plain.headers.at("cache-control") == "public, max-age=10, s-maxage=60, stale-while-revalidate=30");

  const Answer now = get(port(), kList + std::string("&open_at=now&open_unknown=true"));
  REQUIRE(now.code == 200);
  asked = engine.last_recommend();
  CHECK(asked.open_now);
  CHECK(asked.open_unknown);
  // It was made 1.234 s ago and is true for 12.8 s yet. A cache subtracts Age, so that 12 s are left (9111, 4.2), and
  // must ask then, come what may (5.2.2.2).
  CHECK(now.headers.at("age") == "1");
  CHECK(now.headers.at("cache-control") == "public, max-age=10, s-maxage=13, must-revalidate");
  const Answer same =
      without_content(port(), "GET", kList + std::string("&open_at=now"),
                      "If-None-Match: " + get(port(), kList + std::string("&open_at=now")).headers.at("etag") + "\r\n");
  CHECK(same.code == 304);
  CHECK(same.headers.at("cache-control") == "public, max-age=10, s-maxage=13, must-revalidate");
}

TEST_CASE_FIXTURE(Serving,
                  "lists in an address are repeated, or have commas, which within a name are percent-encoded") {
  start();
  const auto asked = [&](const std::string& parameters) {
    const Answer answer = get(port(), "/v1/recommendations?lat=40.7&lon=-74&" + parameters);
    REQUIRE_MESSAGE(answer.code == 200, answer.body);
    return std::pair(engine.last_recommend(), answer.headers.at("content-location"));
  };
  const std::vector<PlaceId> two = {PlaceId("p1"), PlaceId("p3")};
  CHECK(asked("only=p1,p3").first.only == two);
  CHECK(asked("only=p1&only=p3").first.only == two);
  CHECK(asked("exclude=p1,p3").first.exclude == two);
  CHECK(asked("exclude=p1,2&exclude=p3").first.exclude == std::vector{PlaceId("p1"), PlaceId("2"), PlaceId("p3")});
  CHECK(asked("categories=bar,fast+food").first.categories == std::vector<std::string>{"bar", "fast food"});
  const auto [of_names, address] = asked("exclude_categories=Food%2C%20Drink,caf%C3%A9");
  CHECK(of_names.exclude_categories == std::vector<std::string>{"Food, Drink", "caf\u00E9"});
  // The address that the answer names means the same.
  CHECK(address == "/v1/recommendations?cell=dr5ru7&exclude_categories=Food%2C%20Drink&exclude_categories=caf%C3%A9");
  CHECK(asked("where=cuisine+in+(thai,lao)").first.where == "cuisine in (thai,lao)");
  CHECK(check_error(get(port(), "/v1/recommendations?cell=dr5ru7&only=p1,,p3"), 400, "INVALID_ARGUMENT") ==
        "only must be an array of ids: strings of 1 to 128 bytes, or unsigned integers");
}

TEST_CASE_FIXTURE(Serving, "the time of a list is read as a body's is, in any zone, and however its plus was sent") {
  start();
  const auto noon = event_time_from_ms(1'777'636'800'000);  // 2026-05-01T12:00:00Z
  for (const char* time : {"2026-05-01T12:00:00Z", "2026-05-01T14:00:00%2B02:00", "2026-05-01T14:00:00+02:00",
                           "2026-05-01T07%3A00%3A00-05%3A00", "2026-05-01%2017:30:00+05:30", "1777636800000"}) {
    CAPTURE(time);
    REQUIRE(get(port(), kList + std::string("&open_at=") + time).code == 200);
    CHECK(engine.last_recommend().open_at == noon);
    CHECK_FALSE(engine.last_recommend().open_now);
  }
  for (const char* time :
       {"soon", "", "12:00", "2026-05-01", "2026-05-01T14:00:00", "1777636800000.5", "%20%20%20%20"}) {
    CAPTURE(time);
    const Answer answer = get(port(), kList + std::string("&open_at=") + time);
    CHECK(answer.code == 400);
    CHECK(answer.body.find("open_at must be now, RFC 3339 such as") != std::string::npos);
  }
  CHECK(get(port(), kList + std::string("&open_at=now&open_at=now")).body.find("open_at stands more than once") !=
        std::string::npos);
  CHECK(get(port(), kList + std::string("&open_unknown=yes")).body.find("open_unknown must be true or false") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Serving, "the address by the cell keeps the filters, encoded, and is answered the same") {
  start();
  const Answer by_position =
      get(port(), "/v1/recommendations?lat=40.7&lon=-74&where=cuisine%20%3D%20%22a%26b%2Bc%22&only=a%2Fb&open_at=now");
  REQUIRE(by_position.code == 200);
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.where == "cuisine = \"a&b+c\"");
  const std::string address = by_position.headers.at("content-location");
  CHECK(address == "/v1/recommendations?cell=dr5ru7&where=cuisine%20%3D%20%22a%26b%2Bc%22&only=a%2Fb&open_at=now");
  REQUIRE(get(port(), address).code == 200);
  CHECK(engine.last_recommend().where == asked.where);
  CHECK(engine.last_recommend().only == std::vector<PlaceId>{PlaceId("a/b")});
  CHECK(engine.last_recommend().open_now);
}

TEST_CASE_FIXTURE(Serving, "an answer whose truth ends now, and one that nobody may keep, are asked for each time") {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const serving::Reuse half_a_minute{seconds(30), seconds(30), seconds(30)};
  CHECK(serving::cache_control_of(serving::while_true(half_a_minute, milliseconds(900), milliseconds(0))) ==
        "public, no-cache, must-revalidate");
  CHECK(serving::cache_control_of(serving::while_true({}, seconds(30), milliseconds(0))) ==
        "public, no-cache, must-revalidate");
  CHECK(serving::cache_control_of(serving::while_true(half_a_minute, seconds(59), milliseconds(0))) ==
        "public, max-age=30, s-maxage=30, must-revalidate");
  // All close in 30 s: who gets the answer 20 s after it was made may use it for 10 s more.
  const serving::Reuse an_hour{seconds(3600), seconds(3600), seconds(3600)};
  CHECK(serving::cache_control_of(serving::while_true(an_hour, seconds(30), milliseconds(0))) ==
        "public, max-age=30, s-maxage=30, must-revalidate");
  CHECK(serving::cache_control_of(serving::while_true(an_hour, seconds(10), seconds(20))) ==
        "public, max-age=30, s-maxage=30, must-revalidate");
}

TEST_CASE_FIXTURE(Serving, "who has it is told so, with the same fields and no content (9110, 13.1.2 and 15.4.5)") {
  start();
  for (const std::string& target : {std::string(kList), std::string("/v1/places/p1")}) {
    const Answer full = get(port(), target);
    REQUIRE(full.code == 200);
    const std::string& tag = full.headers.at("etag");
    for (const std::string method : {"GET", "HEAD"}) {
      for (const std::string& named :
           {tag, tag.substr(2), "\"x\", " + tag, std::string("*"), "\"x\"\r\nIf-None-Match: " + tag}) {
        RawClient client(port());
        client.send(method + " " + target + " HTTP/1.1\r\nHost: t\r\nIf-None-Match: " + named + "\r\n\r\n" +
                    "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
        const Answer same = client.read_answer(true);
        INFO(method, " ", target, " ", named);
        CHECK(same.code == 304);
        for (const char* field : {"cache-control", "etag", "vary"}) CHECK(without(same, field) == without(full, field));
        CHECK(same.headers.contains("date"));
        CHECK_FALSE(same.headers.contains("content-length"));
        CHECK_FALSE(same.headers.contains("content-type"));
        // 304 ends with its header (9112, 6.3): what follows is the next answer.
        CHECK(client.read_answer().body == R"({"status":"ok"})");
      }
      const Answer other = without_content(port(), method, target, "If-None-Match: \"other\"\r\n");
      CHECK(other.code == 200);
      CHECK(other.headers.at("content-length") == std::to_string(full.body.size()));
    }
  }
}

TEST_CASE_FIXTURE(Serving, "HEAD has the fields that GET has (9110, 9.3.2)") {
  start();
  for (const std::string& target : {std::string(kList), std::string("/v1/places/p1")}) {
    Answer full = get(port(), target);
    Answer head = without_content(port(), "HEAD", target, "");
    for (Answer* answer : {&full, &head}) {
      for (const char* field : {"date", "x-request-id", "connection"}) answer->headers.erase(field);
    }
    CHECK(head.code == 200);
    CHECK(head.headers == full.headers);
  }
}

TEST_CASE_FIXTURE(Serving,
                  "in each coding it has the same weak tag, and says that it varies (9110, 8.8.1 and 12.5.5)") {
  start({.compress_bytes_min = 1});
  const Answer plain = get(port(), kList);
  const Answer packed = without_content(port(), "GET", kList, "Accept-Encoding: gzip\r\n");
  CHECK(packed.headers.at("content-encoding") == "gzip");
  CHECK(packed.headers.at("etag") == plain.headers.at("etag"));
  CHECK(packed.headers.at("vary") == "Accept-Encoding");
  const Answer same = without_content(port(), "GET", kList,
                                      "Accept-Encoding: gzip\r\nIf-None-Match: " + plain.headers.at("etag") + "\r\n");
  CHECK(same.code == 304);
  CHECK(same.headers.at("vary") == "Accept-Encoding");
  CHECK_FALSE(same.headers.contains("content-encoding"));
}

TEST_CASE_FIXTURE(Serving, "where nothing is compressed nothing varies") {
  start({.compress = false});
  CHECK_FALSE(get(port(), kList).headers.contains("vary"));
  CHECK_FALSE(get(port(), "/v1/places/p1").headers.contains("vary"));
}

TEST_CASE_FIXTURE(Serving, "where none may be used unasked, each is asked for (9111, 5.2.2.4)") {
  start({.list_max_age = std::chrono::seconds(0),
         .list_shared_max_age = std::chrono::seconds(0),
         .place_max_age = std::chrono::seconds(0)});
  CHECK(get(port(), kList).headers.at("cache-control") == "public, no-cache");
  CHECK(get(port(), "/v1/places/p1").headers.at("cache-control") == "public, no-cache");
}

TEST_CASE_FIXTURE(Serving,
                  "what is somebody's, what is an error and what changes by itself is kept by nobody (9111, 5.2.2.5)") {
  start();
  const std::vector<Answer> answers = {
      post(port(), "/v1/recommendations", R"({"user_id":"u","lat":1,"lon":2})"),
      get(port(), "/v1/features/user/u1"),
      get(port(), "/v1/status"),
      get(port(), "/v1/places/nowhere"),  // 404 could be kept without a word (9110, 15.5.5)
      get(port(), "/v1/recommendations"),
      get(port(), "/nowhere"),
  };
  for (const Answer& answer : answers) {
    INFO(answer.body);
    CHECK(answer.headers.at("cache-control") == "private, no-store");
    CHECK_FALSE(answer.headers.contains("etag"));
    CHECK_FALSE(answer.headers.contains("age"));
  }
  // A condition makes no success of an error (9110, 13.2.1).
  CHECK(without_content(port(), "GET", "/v1/places/nowhere", "If-None-Match: *\r\n").code == 404);
  CHECK(request(port(), "POST", "/v1/recommendations", R"({"user_id":"u","lat":1,"lon":2})",
                "Content-Type: application/json\r\nIf-None-Match: *\r\n")
            .code == 200);
}

TEST_CASE_FIXTURE(Serving, "an engine's error is kept by nobody, also where an answer would be") {
  engine.on_recommend = [](const RecommendRequest&) { return unavailable("closing"); };
  start();
  const Answer answer = get(port(), kList);
  check_error(answer, 503, "UNAVAILABLE");
  CHECK(answer.headers.at("cache-control") == "private, no-store");
}

TEST_CASE_FIXTURE(Serving, "a position is moved to its cell, and the answer names the address by it (9110, 8.7)") {
  start();
  const Answer answer =
      get(port(), "/v1/recommendations?lat=40.758&lon=-73.9855&categories=caf%C3%A9%20%26%20bar&categories=b");
  REQUIRE(answer.code == 200);
  CHECK(engine.last_recommend().snap);
  CHECK(engine.last_recommend().categories == std::vector<std::string>{"café & bar", "b"});
  CHECK(answer.headers.at("content-location") ==
        "/v1/recommendations?cell=dr5ru7&categories=caf%C3%A9%20%26%20bar&categories=b");
  CHECK(get(port(), answer.headers.at("content-location")).code == 200);
  CHECK(engine.last_recommend().cell == "dr5ru7");
  CHECK(engine.last_recommend().categories == std::vector<std::string>{"café & bar", "b"});
  CHECK(json_of(answer)["cell"] == "dr5ru7");
}

TEST_CASE_FIXTURE(Serving, "an address with something wrong in it is refused by name") {
  start();
  const auto message = [&](const std::string& query) {
    return check_error(get(port(), "/v1/recommendations" + query), 400, "INVALID_ARGUMENT");
  };
  const auto mentions = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(mentions(message(""), "name a cell"));
  CHECK(mentions(message("?lat=1"), "lon"));
  CHECK(mentions(message("?cell=dr5ru&limt=3"), "limit"));
  CHECK(mentions(message("?cell=dr5ru&limit=three"), "limit must be a number"));
  CHECK(mentions(message("?cell=dr5ru&limit=3&limit=4"), "more than once"));
  CHECK(mentions(message("?cell=dr5ru&explain=1"), "explain must be true or false"));
  CHECK(mentions(message("?cell=dr5ru&limit=0"), "limit"));
  CHECK(mentions(message("?cell=dr5ru&user_id=u"), "user_id"));
}

TEST_CASE_FIXTURE(Serving,
                  "a tag stays while the same is said, however old the answer is, and moves with what is said") {
  start();
  const std::string tag = get(port(), kList).headers.at("etag");
  CHECK(get(port(), kList).headers.at("etag") == tag);
  CHECK(get(port(), "/v1/recommendations?cell=dr5ru7&explain=false").headers.at("etag") != tag);
  CHECK(get(port(), "/v1/recommendations?cell=dr5ru7&segment=3").headers.at("etag") != tag);
}

TEST_CASE_FIXTURE(Serving, "answers for nobody in particular can be warmed") {
  start();
  CHECK(post(port(), "/v1/cache/warm", R"({"requests":[{"cell":"dr5ru"}]})").code == 200);
  CHECK(engine.last_recommend().user.str().empty());
}

TEST_CASE_FIXTURE(Serving,
                  "a kept answer is given while everything that computes is stuck, unless it has to be compressed") {
  engine.on_recommend = [this](const RecommendRequest&) {
    gate.wait();
    return ok_status();
  };
  engine.on_kept = [](const RecommendRequest& request) -> std::optional<Recommendations> {
    if (request.user == UserId("slow")) return std::nullopt;
    Recommendations answer;
    answer.kept = {Tier::kMemory, std::chrono::milliseconds(5), false};
    return answer;
  };
  start();
  constexpr int kReaders = 8;  // as many as the lane has threads
  std::vector<std::unique_ptr<RawClient>> stuck;
  const std::string slow = R"({"user_id":"slow","lat":1,"lon":2})";
  for (int i = 0; i < kReaders; ++i) {
    stuck.push_back(std::make_unique<RawClient>(port()));
    stuck.back()->send(
        "POST /v1/recommendations HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(slow.size()) + "\r\n\r\n" + slow);
  }
  gate.await_waiting(kReaders);
  const Answer kept = post(port(), "/v1/recommendations", R"({"user_id":"quick","lat":1,"lon":2})");
  CHECK(kept.code == 200);
  CHECK(json_of(kept)["cache"]["age_ms"] == 5);
  const Answer list = get(port(), kList);
  CHECK(list.code == 200);
  CHECK(without_content(port(), "GET", kList, "If-None-Match: " + list.headers.at("etag") + "\r\n").code == 304);
  RawClient packed(port());
  packed.send("GET " + std::string(kList) + "&deadline_ms=60000 HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n");
  gate.open();
  check_error(post(port(), "/v1/recommendations", R"({"user_id":"quick","lat":1,"lat":2})"), 400, "INVALID_ARGUMENT");
  CHECK(packed.read_answer().code == 200);
  for (const auto& client : stuck) CHECK(client->read_answer().code == 200);
}

TEST_SUITE_END();
