#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <stdexcept>
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

/// Whether a thread of this process sleeps, as proc(5) tells it: the state follows the name in brackets.
bool asleep(pid_t thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string stat;
  std::getline(in, stat);
  const std::size_t end = stat.rfind(") ");
  return end != std::string::npos && stat[end + 2] == 'S';
}

// The socket thread is held twice, each time where it logs a failed request. When it is let go the first time, it looks
// at its sockets, finds nothing new, and is held again, with the drain as its next work. What arrives now has arrived
// before the drain, and no read has taken it yet.
TEST_CASE_FIXTURE(Serving, "a request that had arrived when the drain came to its connection is answered") {
  Gate logs[2];
  std::atomic<int> logged{0};
  Gate states[2];
  std::atomic<int> asked{0};
  engine.on_recommend = [](const RecommendRequest&) { return internal_error("made up"); };
  engine.on_status = [&] {
    const int turn = asked++;
    states[turn].wait();
    if (turn == 0) throw std::runtime_error("made up");
  };
  HttpOptions options;
  options.threads = 1;
  options.drain_idle = milliseconds(0);
  options.log = Logger([&](LogLevel, std::string_view event, std::string_view, auto) {
    if (event == "http.internal_error") logs[logged++].wait();
  });
  start(std::move(options));
  const std::string ready = "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n";
  RawClient idle(port());
  idle.send(kGet);
  CHECK(idle.read_answer().code == 200);
  RawClient failing(port());
  failing.send(ready);
  states[0].await_waiting(1);
  RawClient behind_it(port());  // on the same thread of the probes' lane: it runs when the failure is on its way
  behind_it.send(ready);
  RawClient failing_first(port());
  failing_first.send(kRecommend);
  logs[0].await_waiting(1);
  states[0].open();
  states[1].await_waiting(1);
  std::atomic<pid_t> thread{0};
  bool finished = false;
  std::thread drainer([&] {
    thread = ::gettid();
    finished = server->drain(seconds(30));
  });
  while (thread == 0 || !asleep(thread)) std::this_thread::yield();  // it has told the sockets' thread, and waits
  logs[0].open();
  logs[1].await_waiting(1);
  idle.send(kGet);
  logs[1].open();
  states[1].open();
  const Answer answer = idle.read_answer();
  CHECK(answer.code == 200);
  CHECK(answer.headers.at("connection") == "close");
  drainer.join();
  CHECK(finished);
}

// The only socket thread is held where it logs a failed request, so that it accepts nobody until the drain has begun.
TEST_CASE_FIXTURE(Serving, "a request of whoever had connected before the drain is answered, accepted or not") {
  engine.on_recommend = [](const RecommendRequest&) { return internal_error("made up"); };
  HttpOptions options;
  options.threads = 1;
  options.drain_idle = seconds(60);
  options.log = Logger([&](LogLevel, std::string_view event, std::string_view, auto) {
    if (event == "http.internal_error") gate.wait();
  });
  start(std::move(options));
  RawClient failing(port());
  failing.send(kRecommend);
  gate.await_waiting(1);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(port()));
    if (i % 2 == 0) CHECK(clients.back()->send(kGet));  // the others send theirs later
  }
  std::atomic<pid_t> thread{0};
  bool finished = false;
  std::thread drainer([&] {
    thread = ::gettid();
    finished = server->drain(seconds(60));
  });
  while (thread == 0 || !asleep(thread)) std::this_thread::yield();
  gate.open();
  CHECK(failing.read_answer().code == 500);
  for (std::size_t i = 1; i < clients.size(); i += 2) CHECK(clients[i]->send(kGet));
  for (const auto& client : clients) {
    const Answer answer = client->read_answer();
    CHECK(answer.code == 200);
    CHECK(answer.headers.count("connection") == 1);
  }
  drainer.join();
  CHECK(finished);
}

TEST_CASE_FIXTURE(Serving, "a connection between requests may send one more while the server drains") {
  HttpOptions options;
  options.drain_idle = seconds(60);
  start(std::move(options));
  RawClient kept(port());
  kept.send(kGet);
  CHECK(kept.read_answer().headers.count("connection") == 0);
  std::thread drainer([this] { CHECK(server->drain(seconds(60))); });
  while (RawClient::can_connect(port())) std::this_thread::yield();
  CHECK(kept.send(kGet));
  const Answer last = kept.read_answer();
  drainer.join();
  REQUIRE(last.code == 200);
  CHECK(last.headers.at("connection") == "close");
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
  const Answer answer = busy.read_answer();  // while the handler is still inside the engine
  CHECK(check_error(answer, 503, "UNAVAILABLE") == "the server is stopping");
  CHECK(answer.headers.at("retry-after") == "1");
  CHECK(answer.headers.at("connection") == "close");
  CHECK(busy.closed_by_peer());
  gate.open();
}

TEST_CASE_FIXTURE(Serving, "a request that waits for its turn when the limit of a drain is reached gets 503 as well") {
  engine.on_recommend = [this](const RecommendRequest&) {
    gate.wait();
    return Status();
  };
  start({.reads = 1});
  RawClient running(port());
  running.send(kRecommend);
  gate.await_waiting(1);
  RawClient queued(port());
  queued.send(kRecommend);
  while (get(port(), "/metrics").body.find("cairn_admission_queued{lane=\"read\"} 1") == std::string::npos) {
    std::this_thread::yield();
  }
  CHECK(!server->drain(milliseconds(0)));
  for (RawClient* client : {&running, &queued}) check_error(client->read_answer(), 503, "UNAVAILABLE");
  gate.open();
}

TEST_CASE_FIXTURE(Serving,
                  "draining ends waits for what others bring at once, those that come later too, and no work") {
  engine.on_wait = [this](const CallContext& context) {
    Mutex mutex;
    std::condition_variable_any never;
    CHECK(context.stopping.stop_possible());
    MutexLock lock(mutex);
    gate.open();
    CHECK_FALSE(context.wait_for_others(never, lock, [] { return false; }));
    CHECK(context.check().ok());  // work that has begun goes on
    return context.gave_up();
  };
  HttpOptions options;
  options.drain_idle = seconds(60);
  start(std::move(options));
  const std::string wait =
      "POST /v1/wait-caught-up HTTP/1.1\r\nHost: t\r\nContent-Length: 21\r\n\r\n{\"timeout_ms\":600000}";
  RawClient later(port());
  later.send(kGet);
  CHECK(later.read_answer().code == 200);
  RawClient waiting(port());
  waiting.send(wait);
  gate.wait();
  bool finished = false;
  std::thread drainer([&] { finished = server->drain(seconds(600)); });
  const Answer ended = waiting.read_answer();
  CHECK(check_error(ended, 503, "UNAVAILABLE") == "the server is stopping");
  CHECK(ended.headers.at("retry-after") == "1");
  later.send(wait);
  check_error(later.read_answer(), 503, "UNAVAILABLE");
  drainer.join();
  CHECK(finished);
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

TEST_CASE_FIXTURE(Serving, "who hangs up while a recommendation is made cancels it, and the next one is answered") {
  engine.on_recommend = [&](const RecommendRequest&) {
    // Ends only when it is cancelled.
    while (!engine.last_context().cancelled.stop_requested()) std::this_thread::yield();
    return Status(StatusCode::kCancelled, "the call was cancelled");
  };
  start();
  {
    RawClient hangs_up(port());
    REQUIRE(hangs_up.send(recommend_bytes(R"({"user_id":"ann"})")));
    while (engine.last_recommend().user.str() != "ann") std::this_thread::yield();
  }
  while (get(port(), "/metrics").body.find("recommendations_requests_total{code=\"CANCELLED\"} 1") ==
         std::string::npos) {
    std::this_thread::yield();
  }
  engine.on_recommend = [](const RecommendRequest&) { return Status(); };
  RawClient patient(port());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(patient.send(recommend_bytes(R"({"user_id":"bob"})")));
    CHECK(patient.read_answer().code == 200);
  }
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
  start({.threads = 3, .reads = 12});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(port()));
    clients.back()->send(i % 2 == 0 ? kRecommend : kGet + kRecommend.substr(0, 40));
  }
  gate.await_waiting(12);  // every thread of the read lane
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
