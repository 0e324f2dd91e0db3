#include <atomic>
#include <thread>

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const std::string kGet = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
const std::string kRecommend =
    "POST /v1/recommendations HTTP/1.1\r\nHost: t\r\nContent-Length: 15\r\n\r\n{\"user_id\":\"u\"}";

}  // namespace

TEST_SUITE_BEGIN("lifecycle");

TEST_CASE_FIXTURE(Serving, "a taken port is reported with a remedy") {
  start();
  const auto second = HttpServer::start({.port = port(), .log = {}}, engine);
  REQUIRE(!second.ok());
  CHECK(second.status().code() == StatusCode::kAlreadyExists);
  CHECK(second.status().message().find("choose another port") != std::string::npos);
}

TEST_CASE_FIXTURE(Serving, "an address or a limit that cannot be is refused") {
  CHECK(HttpServer::start({.address = "nonsense", .log = {}}, engine).status().code() == StatusCode::kInvalidArgument);
  CHECK(HttpServer::start({.address = "192.0.2.1", .port = 0, .log = {}}, engine).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(HttpServer::start({.threads = 0, .log = {}}, engine).status().code() == StatusCode::kInvalidArgument);
  CHECK(HttpServer::start({.connections_max = 0, .log = {}}, engine).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE_FIXTURE(Serving, "the port is free again once the server is gone") {
  start();
  const std::uint16_t used = port();
  server.reset();
  const auto again = HttpServer::start({.port = used, .log = {}}, engine);
  CHECK_MESSAGE(again.ok(), again.status().to_string());
}

TEST_CASE_FIXTURE(Serving, "draining finishes what is in flight and closes what is idle") {
  engine.on_recommend = [this](const RecommendRequest&) {
    gate.wait();
    return Status();
  };
  start();
  RawClient idle(port());
  idle.send(kGet);
  CHECK(idle.read_answer().code == 200);
  RawClient busy(port());
  busy.send(kRecommend);
  gate.await_waiting(1);

  std::atomic<bool> finished{false};
  std::thread drainer([&] { finished = server->drain(seconds(30)); });
  CHECK(idle.closed_by_peer());
  gate.open();
  const Answer answer = busy.read_answer();
  CHECK(answer.code == 200);
  CHECK(answer.headers.at("connection") == "close");
  CHECK(busy.closed_by_peer());
  drainer.join();
  CHECK(finished);
  CHECK(server->drain(milliseconds(0)));
}

TEST_CASE_FIXTURE(Serving, "draining cuts off at its limit, and says so") {
  engine.on_recommend = [this](const RecommendRequest&) {
    gate.wait();
    return Status();
  };
  start();
  RawClient busy(port());
  busy.send(kRecommend);
  gate.await_waiting(1);
  CHECK(!server->drain(milliseconds(50)));
  CHECK(busy.closed_by_peer());
  gate.open();
}

TEST_CASE_FIXTURE(Serving, "what is cut off is cancelled, because nobody waits for it any more") {
  Gate cancelled;
  engine.on_wait = [&](const CallContext& context) {
    const std::stop_callback tell(context.cancelled, [&] { cancelled.open(); });
    gate.wait();
    return context.check();
  };
  start();
  RawClient waiting(port());
  waiting.send("POST /v1/wait-caught-up HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
  gate.await_waiting(1);
  CHECK(!server->drain(milliseconds(0)));
  cancelled.wait();  // while the handler is still inside the engine
  gate.open();
}

TEST_CASE_FIXTURE(Serving, "a server that drains says it is not ready, and accepts nothing new") {
  start();
  RawClient idle(port());
  RawClient probe(port());
  for (RawClient* client : {&idle, &probe}) {
    client->send(kGet);
    CHECK(client->read_answer().code == 200);
  }
  probe.send("GET /readyz HTTP/1.1\r\nHost: t\r\n");
  std::thread drainer([this] { CHECK(server->drain(seconds(30))); });
  CHECK(idle.closed_by_peer());  // the drain has begun; the request that has begun as well is still served
  probe.send("\r\n");
  const Answer answer = probe.read_answer();
  CHECK(check_error(answer, 503, "UNAVAILABLE").find("serving") != std::string::npos);
  drainer.join();
  CHECK(!RawClient::can_connect(port()));
}

TEST_CASE_FIXTURE(Serving, "a server is destroyed safely while clients send and handlers run") {
  engine.on_recommend = [this](const RecommendRequest&) {
    gate.wait();
    return Status();
  };
  start({.threads = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(port()));
    clients.back()->send(i % 2 == 0 ? kRecommend : kGet + kRecommend.substr(0, 40));
  }
  gate.await_waiting(12);  // every thread of the read lane: 4 x 3
  std::thread opener([this] { gate.open(); });
  server.reset();
  opener.join();
  for (const auto& client : clients) CHECK(client->closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "many clients at once all get their own answers") {
  start({.threads = 3});
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([this, c, &right] {
      RawClient client(port());
      for (int i = 0; i < 50; ++i) {
        const std::string id = "c" + std::to_string(c) + "-" + std::to_string(i);
        client.send("GET /v1/places/p1 HTTP/1.1\r\nHost: t\r\nX-Request-Id: " + id + "\r\n\r\n");
        const Answer answer = client.read_answer();
        if (answer.code == 200 && answer.headers.at("x-request-id") == id) ++right;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(right == 400);
}

TEST_SUITE_END();
