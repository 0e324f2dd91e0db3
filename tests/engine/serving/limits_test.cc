// What a hostile or clumsy client can do to the server, byte by byte.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

namespace {

const std::string kGet = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
const std::string kPostHead = "POST /v1/interactions HTTP/1.1\r\nHost: t\r\n";

/// Resident memory of this process, server included, in bytes.
std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file != nullptr);
  unsigned long total = 0;
  unsigned long resident = 0;
  REQUIRE(std::fscanf(file, "%lu %lu", &total, &resident) == 2);
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_SUITE_BEGIN("limits");

TEST_CASE_FIXTURE(Serving, "a header without end is refused with 431 at its limit") {
  start();
  RawClient client(port());
  client.send("GET / HTTP/1.1\r\nHost: t\r\nX: ");
  const std::string chunk(4096, 'a');
  for (int i = 0; i < 256 && client.send(chunk); ++i) {
  }
  check_error(client.read_answer(), 431, "INVALID_ARGUMENT");
  CHECK(client.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "a header just below its limit is served") {
  start();
  const std::string long_value(8000, 'a');
  CHECK(request(port(), "GET", "/healthz", "", "X: " + long_value + "\r\n").code == 200);
}

TEST_CASE_FIXTURE(Serving, "a chunked body without end is refused at the body limit, whatever its length") {
  start();
  RawClient client(port());
  client.send(kPostHead + "Transfer-Encoding: chunked\r\n\r\n");
  const std::size_t before = resident_bytes();
  const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  for (int i = 0; i < 1024 && client.send(chunk); ++i) {  // 64 MiB
  }
  CHECK(resident_bytes() < before + (32u << 20));
  CHECK(client.closed_by_peer());
  CHECK(engine.ingested().empty());
}

TEST_CASE_FIXTURE(Serving, "a body over the limit by its Content-Length is refused before it is read") {
  start();
  RawClient client(port());
  client.send(kPostHead + "Content-Length: 2097152\r\n\r\n");
  check_error(client.read_answer(), 413, "INVALID_ARGUMENT");
  CHECK(client.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "a sender of too much hears the refusal although it is still sending") {
  start();
  RawClient client(port());
  client.send(kPostHead + "Content-Length: 2097152\r\n\r\n" + std::string(2'097'152, ' '));
  check_error(client.read_answer(), 413, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "a body of exactly the limit is served") {
  start({.body_bytes_max = 1000});
  const std::string event = "{\"type\":\"view\"}";
  CHECK(post(port(), "/v1/interactions", event + std::string(1000 - event.size(), ' ')).code == 202);
  CHECK(post(port(), "/v1/interactions", event + std::string(1001 - event.size(), ' ')).code == 413);
}

TEST_CASE_FIXTURE(Serving, "framing that two parsers could read differently is refused") {
  start();
  for (const char* framing : {
           "Content-Length: 3\r\nContent-Length: 3\r\n\r\n{} ",
           "Content-Length: 3, 3\r\n\r\n{} ",
           "Transfer-Encoding: xchunked\r\n\r\n",
           "Transfer-Encoding: identity\r\n\r\n",
           "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
           "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "X: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
           "X: a\rb\r\nContent-Length: 0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n00000000000000000\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
           "Content-Length: 3\r\nContent-Length: 4\r\n\r\n{} ",
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "Content-Length: -1\r\n\r\n",
           "Content-Length: 1x\r\n\r\n",
           "Content-Length: 99999999999999999999999\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
           "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
           "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
           "Bad Header: x\r\n\r\n",
           "X: a\r\n folded\r\nY : b\r\n\r\n",
       }) {
    CAPTURE(framing);
    RawClient client(port());
    client.send(kPostHead + framing + kGet);
    check_error(client.read_answer(), 400, "INVALID_ARGUMENT");
    CHECK(client.read_answer().code == 0);  // what follows is never served
    CHECK(client.closed_by_peer());
  }
  CHECK(engine.ingested().empty());
}

TEST_CASE_FIXTURE(Serving, "HTTP/1.0 has no chunks") {
  start();
  RawClient client(port());
  client.send("POST /v1/interactions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kGet);
  check_error(client.read_answer(), 400, "INVALID_ARGUMENT");
  CHECK(client.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "trailers are taken, bounded and forgotten, on every path") {
  start();
  for (const std::string& path : {std::string("/v1/interactions"), std::string("/healthz"), std::string("/nowhere")}) {
    const std::string head = "POST " + path + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const std::size_t bytes : {65'533, 65'534, 65'535, 65'536, 300'000}) {
      RawClient value(port());
      value.send(head + "0\r\nX: " + std::string(bytes, 'a') + "\r\n\r\n");
      check_error(value.read_answer(), 431, "INVALID_ARGUMENT");
      RawClient name(port());
      name.send(head + "0\r\n" + std::string(bytes, 'a') + ": x\r\n\r\n");
      check_error(name.read_answer(), 431, "INVALID_ARGUMENT");
    }
  }
  RawClient fine(port());
  fine.send(kPostHead +
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"type\":\"view\"}\r\n0\r\n" +
            "Content-Type: application/x-ndjson\r\nContent-Length: 3\r\nConnection: close\r\n\r\n" + kGet);
  CHECK(fine.read_answer().code == 202);
  CHECK(fine.read_answer().code == 200);
}

TEST_CASE_FIXTURE(Serving, "a large body is the same when it comes in pieces") {
  start();
  std::string lines;
  while (lines.size() < 900'000) lines += R"({"type":"view","n":)" + std::to_string(lines.size()) + "}\n";
  RawClient by_length(port());
  by_length.send(kPostHead + "Content-Type: application/x-ndjson\r\nContent-Length: " + std::to_string(lines.size()) +
                 "\r\n\r\n" + lines + kGet);
  CHECK(by_length.read_answer().code == 202);
  CHECK(by_length.read_answer().code == 200);
  const std::vector<std::string> first = engine.ingested();
  RawClient chunked(port());
  std::string chunks;
  for (std::size_t at = 0; at < lines.size(); at += 0x3001) {
    const std::string chunk = lines.substr(at, 0x3001);
    char size[16];
    std::snprintf(size, sizeof size, "%zx", chunk.size());
    chunks += size + ("\r\n" + chunk) + "\r\n";
  }
  chunked.send(kPostHead + "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
               "0\r\n\r\n" + kGet);
  CHECK(chunked.read_answer().code == 202);
  CHECK(chunked.read_answer().code == 200);
  const std::vector<std::string> both = engine.ingested();
  REQUIRE(both.size() == 2 * first.size());
  CHECK(std::equal(first.begin(), first.end(), both.begin() + static_cast<std::ptrdiff_t>(first.size())));
}

TEST_CASE_FIXTURE(Serving, "requests that are no HTTP/1.1 are refused") {
  start();
  const auto code_for = [this](std::string_view bytes) {
    RawClient client(port());
    client.send(bytes);
    const Answer answer = client.read_answer();
    CHECK(client.closed_by_peer());
    return answer.code;
  };
  CHECK(code_for("\x16\x03\x01\x02\x00\x01 TLS hello\r\n\r\n") == 400);
  CHECK(code_for("GET /healthz HTTP/1.1\r\n\r\n") == 400);
  CHECK(code_for("GET /healthz HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n") == 400);
  CHECK(code_for("GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n") == 505);
  CHECK(code_for("POST /v1/places HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx") == 415);
  CHECK(code_for("POST /v1/places HTTP/1.1\r\nHost: t\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx") == 417);
}

TEST_CASE_FIXTURE(Serving, "a client that sends byte by byte for too long is cut off") {
  start({.request_timeout = std::chrono::milliseconds(200)});
  RawClient header(port());
  header.send("GET /healthz HT");
  RawClient body(port());
  body.send(kPostHead + "Content-Length: 10\r\n\r\n{");
  CHECK(header.closed_by_peer());
  CHECK(body.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "a silent connection is closed after the idle timeout") {
  start({.idle_timeout = std::chrono::milliseconds(200)});
  RawClient fresh(port());
  RawClient used(port());
  used.send(kGet);
  CHECK(used.read_answer().code == 200);
  CHECK(fresh.closed_by_peer());
  CHECK(used.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "stalled connections do not keep others from being served") {
  start();
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 64; ++i) {
    stalled.push_back(std::make_unique<RawClient>(port()));
    stalled.back()->send("POST /v1/interactions HTTP/1.1\r\nHo");
  }
  CHECK(get(port(), "/healthz").code == 200);
}

TEST_CASE_FIXTURE(Serving, "pipelined requests are answered in order on one connection") {
  start();
  RawClient client(port());
  const std::string post = kPostHead + "Content-Length: 15\r\n\r\n{\"type\":\"view\"}";
  client.send(kGet + post + "GET /v1/places/p1 HTTP/1.1\r\nHost: t\r\n\r\n" + post + kGet);
  CHECK(client.read_answer().code == 200);
  CHECK(client.read_answer().code == 202);
  CHECK(json_of(client.read_answer())["place_id"] == "p1");
  CHECK(json_of(client.read_answer())["reflected_at"]["offset"] == 2);
  CHECK(client.read_answer().code == 200);
}

TEST_CASE_FIXTURE(Serving, "one empty line before a request is passed over (RFC 9112, section 2.2), and no more") {
  start();
  RawClient client(port());
  client.send("\r\n" + kGet);
  CHECK(client.read_answer().code == 200);
  // As clients of old have it behind a body.
  client.send(kPostHead + "Content-Length: 15\r\n\r\n{\"type\":\"view\"}\r\n" + kGet + "\r\n");
  CHECK(client.read_answer().code == 202);
  CHECK(client.read_answer().code == 200);
  client.send(kGet);
  CHECK(client.read_answer().code == 200);
  for (const char byte : "\r\n" + kGet) client.send({&byte, 1});
  CHECK(client.read_answer().code == 200);
  for (const std::string& before : {std::string("\r\n\r\n"), std::string("\n"), std::string(" \r\n")}) {
    CAPTURE(before);
    RawClient other(port());
    other.send(before + kGet);
    CHECK(other.read_answer().code == 400);
    CHECK(other.closed_by_peer());
  }
}

TEST_CASE_FIXTURE(Serving, "a connection that has sent an empty line only is silent") {
  start({.request_timeout = std::chrono::minutes(10), .idle_timeout = std::chrono::milliseconds(200)});
  RawClient fresh(port());
  fresh.send("\r\n");
  RawClient used(port());
  used.send(kGet + "\r\n");
  CHECK(used.read_answer().code == 200);
  CHECK(fresh.closed_by_peer());
  CHECK(used.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "any number of requests that are sent at once are answered one after the other") {
  start();
  constexpr int kCount = 5000;
  RawClient client(port());
  std::string all;
  for (int i = 0; i < kCount; ++i)
    all += "GET /healthz HTTP/1.1\r\nHost: t\r\nX-Request-Id: " + std::to_string(i) + "\r\n\r\n";
  std::thread sender([&] { CHECK(client.send(all)); });
  for (int i = 0; i < kCount; ++i) {
    const Answer answer = client.read_answer();
    const bool next = answer.code == 200 && answer.headers.at("x-request-id") == std::to_string(i);
    if (!next) CHECK_MESSAGE(next, "answer ", i, " has code ", answer.code);
  }
  sender.join();
}

TEST_CASE_FIXTURE(Serving, "who does not read his answers is cut off after the request timeout") {
  start({.request_timeout = std::chrono::milliseconds(200)});
  RawClient deaf(port());
  const std::string asks = "GET /openapi.json HTTP/1.1\r\nHost: t\r\n\r\n";
  // Until both systems' buffers are full of answers, and so of requests, there is nothing to wait for.
  while (!deaf.is_closed()) {
    deaf.send_some(asks);
    std::this_thread::yield();
  }
  CHECK(get(port(), "/healthz").code == 200);
}

TEST_CASE_FIXTURE(Serving, "a connection of HTTP/1.0 goes on only when it was asked to, and says so") {
  start();
  RawClient old(port());
  for (int i = 0; i < 2; ++i) {
    old.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const Answer answer = old.read_answer();
    CHECK(answer.code == 200);
    CHECK(answer.headers.at("connection") == "keep-alive");
  }
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK(old.read_answer().headers.count("connection") == 0);
  CHECK(old.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "a connection lives as long as both sides want it") {
  start();
  RawClient kept(port());
  for (int i = 0; i < 20; ++i) {
    kept.send(kGet);
    CHECK(kept.read_answer().code == 200);
  }
  RawClient closing(port());
  closing.send("GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  const Answer last = closing.read_answer();
  CHECK(last.code == 200);
  CHECK(last.headers.at("connection") == "close");
  CHECK(closing.closed_by_peer());
  RawClient old(port());
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK(old.read_answer().code == 200);
  CHECK(old.closed_by_peer());
}

TEST_CASE_FIXTURE(Serving, "Expect: 100-continue is told to go on, or is refused before it sends") {
  start();
  RawClient client(port());
  client.send(kPostHead + "Expect: 100-continue\r\nContent-Length: 15\r\n\r\n");
  CHECK(client.read_answer().code == 100);
  client.send("{\"type\":\"view\"}");
  CHECK(client.read_answer().code == 202);
  RawClient large(port());
  large.send(kPostHead + "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
  CHECK(large.read_answer().code == 413);
}

TEST_CASE_FIXTURE(Serving, "requests that wait in the engine stall no other connection") {
  engine.on_ingest = [this] {
    gate.wait();
    return Status();
  };
  start();
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 4 + 256; ++i) {  // every write thread and every place in their queue
    waiting.push_back(std::make_unique<RawClient>(port()));
    waiting.back()->send(kPostHead + "Content-Length: 15\r\n\r\n{\"type\":\"view\"}");
  }
  gate.await_waiting(4);
  CHECK(post(port(), "/v1/recommendations", R"({"user_id":"u"})").code == 200);
  CHECK(get(port(), "/readyz").code == 200);
  // The queue takes 256 more; how many of the requests above have arrived is the sockets' affair, so send until one is
  // refused.
  Answer refused;
  for (int i = 0; i < 8 && refused.code == 0; ++i) {
    waiting.push_back(std::make_unique<RawClient>(port()));
    waiting.back()->send(kPostHead + "Content-Length: 15\r\n\r\n{\"type\":\"view\"}");
    if (i > 3) refused = waiting.back()->read_answer();
  }
  check_error(refused, 503, "RESOURCE_EXHAUSTED");
  CHECK(refused.headers.at("retry-after") == "1");
  gate.open();
  int accepted = 0;
  for (const auto& client : waiting) {
    if (client != waiting.back() && client->read_answer().code == 202) ++accepted;
  }
  CHECK(accepted >= 260);
}

TEST_CASE_FIXTURE(Serving,
                  "a request whose deadline passes in the queue is answered then, and never asked of the engine") {
  engine.on_recommend = [this](const RecommendRequest& asked) {
    if (asked.user.str() == "slow") gate.wait();
    return Status();
  };
  start({.reads = 8});
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(std::make_unique<RawClient>(port()));
    slow.back()->send(recommend_bytes(R"({"user_id":"slow"})"));
  }
  gate.await_waiting(8);
  RawClient hasty(port());
  hasty.send(recommend_bytes(R"({"user_id":"hasty","deadline_ms":1})"));
  check_error(hasty.read_answer(), 504, "DEADLINE_EXCEEDED");  // while every thread is still stuck
  CHECK(engine.last_recommend().user.str() == "slow");
  gate.open();
}

TEST_SUITE_END();
