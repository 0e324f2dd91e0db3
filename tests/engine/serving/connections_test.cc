// Who gets a connection when there are too few, and what becomes of exceptions.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

namespace {

using Clients = std::vector<std::unique_ptr<RawClient>>;

const std::string kGet = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
const std::string kRecommend = recommend_bytes(R"({"user_id":"u"})");

void connect(Clients* clients, std::uint16_t port, int count, const std::string& bytes,
             const char* from = "127.0.0.1") {
  for (int i = 0; i < count; ++i) {
    clients->push_back(std::make_unique<RawClient>(port, from));
    clients->back()->send(bytes);
  }
}

std::size_t closed(const Clients& clients) {
  return static_cast<std::size_t>(
      std::count_if(clients.begin(), clients.end(), [](const auto& client) { return client->is_closed(); }));
}

/// A server whose recommendations wait at the gate.
struct Held : Serving {
  Held() {
    engine.on_recommend = [this](const RecommendRequest&) {
      gate.wait();
      return Status();
    };
  }
};

}  // namespace

TEST_SUITE_BEGIN("connections");

TEST_CASE_FIXTURE(Serving, "the connection that has waited longest for a request gives way to a new one") {
  start({.connections_max = 3});
  Clients silent;
  connect(&silent, port(), 3, "");
  CHECK(get(port(), "/v1/places/p1").code == 200);
  CHECK(silent[0]->closed_by_peer());
  CHECK(closed(silent) == 1);
}

TEST_CASE_FIXTURE(Serving, "an unfinished request counts as waiting, from when it could have come") {
  start({.connections_max = 3});
  Clients slow;
  connect(&slow, port(), 1, "GET /healthz HT");
  connect(&slow, port(), 1, "POST /v1/interactions HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n{");
  connect(&slow, port(), 1, "");
  Clients kept;
  for (int i = 0; i < 3; ++i) {
    connect(&kept, port(), 1, kGet);
    CHECK(kept.back()->read_answer().code == 200);
    CHECK(slow[static_cast<std::size_t>(i)]->closed_by_peer());
  }
}

TEST_CASE_FIXTURE(Held, "connections beyond the limit are told so while all others are busy, and probes are answered") {
  start({.connections_max = 2});
  Clients busy;
  connect(&busy, port(), 2, kRecommend);
  gate.await_waiting(2);
  check_error(get(port(), "/v1/places/p1"), 503, "RESOURCE_EXHAUSTED");
  for (const char* probe : {"/healthz", "/livez", "/readyz", "/metrics", "/readyz?exclude=postgres"}) {
    CHECK(get(port(), probe).code == 200);
  }
  RawClient head(port());
  head.send("HEAD /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(head.read_answer(true).code == 200);
  CHECK(closed(busy) == 0);
  gate.open();
  for (const auto& client : busy) CHECK(client->read_answer().code == 200);
}

TEST_CASE_FIXTURE(Held, "silent connections take neither all places nor those of probes") {
  start({.connections_max = 2});
  Clients busy;
  connect(&busy, port(), 2, kRecommend);
  gate.await_waiting(2);
  Clients silent;
  connect(&silent, port(), 200, "");
  for (int i = 0; i < 10; ++i) CHECK(get(port(), "/healthz").code == 200);
  gate.open();
  for (const auto& client : busy) CHECK(client->read_answer().code == 200);
  CHECK(get(port(), "/v1/places/p1").code == 200);
}

TEST_CASE_FIXTURE(Held, "one address cannot take all places") {
  start({.connections_max = 4});
  Clients busy;
  connect(&busy, port(), 3, kRecommend);
  gate.await_waiting(3);
  check_error(get(port(), "/v1/places/p1"), 503, "RESOURCE_EXHAUSTED");
  RawClient other(port(), "127.0.0.2");
  other.send("GET /v1/places/p1 HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(other.read_answer().code == 200);
  gate.open();
}

TEST_CASE_FIXTURE(Serving, "a crowd of silent connections from one address costs no other address its own") {
  start({.connections_max = 8});
  Clients quiet;
  connect(&quiet, port(), 2, "", "127.0.0.2");
  Clients silent;
  connect(&silent, port(), 100, "");
  CHECK(get(port(), "/healthz").code == 200);
  CHECK(closed(quiet) == 0);
  for (const auto& client : quiet) {
    client->send(kGet);
    CHECK(client->read_answer().code == 200);
  }
}

TEST_CASE_FIXTURE(Serving, "an exception in a handler is an answer and a line in the log, and the server goes on") {
  struct Odd {};
  Mutex mutex;
  std::vector<std::string> logged;
  engine.on_recommend = [](const RecommendRequest& asked) -> Status {
    if (asked.user.str() == "odd") throw Odd();
    throw std::length_error("too long for me");
  };
  HttpOptions options;
  options.log =
      Logger([&](LogLevel, std::string_view event, std::string_view message, std::initializer_list<LogField>) {
        const MutexLock lock(mutex);
        logged.push_back(std::string(event) + " " + std::string(message));
      });
  start(options);
  check_error(post(port(), "/v1/recommendations", R"({"user_id":"u"})"), 500, "INTERNAL");
  check_error(post(port(), "/v1/recommendations", R"({"user_id":"odd"})"), 500, "INTERNAL");
  CHECK(get(port(), "/healthz").code == 200);
  server.reset();
  const auto tells = [](const std::string& line) { return line.find("too long for me") != std::string::npos; };
  CHECK(std::any_of(logged.begin(), logged.end(), tells));
}

TEST_CASE_FIXTURE(Serving, "a log that throws ends no thread") {
  engine.on_recommend = [](const RecommendRequest&) -> Status { throw std::bad_alloc(); };
  HttpOptions options;
  options.log = Logger(
      [](LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) { throw std::bad_alloc(); });
  start(options);
  for (int i = 0; i < 20; ++i) {
    RawClient client(port());
    client.send(kRecommend);
    CHECK(client.closed_by_peer());
  }
  CHECK(get(port(), "/healthz").code == 200);
}

TEST_SUITE_END();
