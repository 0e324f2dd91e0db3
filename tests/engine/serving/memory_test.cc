// How much clients can make the server hold.
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "engine/serving/http/memory_budget.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;

namespace {

using Use = MemoryBudget::Use;

constexpr std::size_t kMiB = 1 << 20;

std::string post_head(std::size_t length) {
  return "POST /v1/interactions HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

/// The value of a metric without labels.
double metric(std::uint16_t port, const std::string& name) {
  const std::string text = "\n" + get(port, "/metrics").body;
  const std::size_t at = text.find("\n" + name + " ");
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + name.size() + 2));
}

}  // namespace

TEST_SUITE_BEGIN("memory");

TEST_CASE("requests leave something to answers, and answers to probes") {
  MemoryBudget budget(1600);
  MemoryShare requests(budget);
  MemoryShare answers(budget);
  MemoryShare probes(budget);
  CHECK(requests.grow(1200, Use::kRequest));
  CHECK_FALSE(requests.grow(1201, Use::kRequest));
  CHECK(answers.grow(300, Use::kAnswer));
  CHECK_FALSE(answers.grow(301, Use::kAnswer));
  CHECK(probes.grow(100, Use::kProbe));
  CHECK_FALSE(probes.grow(101, Use::kProbe));
  CHECK(budget.used() == 1600);
  requests.shrink(100);
  CHECK(budget.used() == 500);
  CHECK(budget.peak() == 1600);
  { const MemoryShare moved(std::move(answers)); }
  CHECK(budget.used() == 200);
}

TEST_CASE("a share that would overflow is refused") {
  MemoryBudget budget(1000);
  MemoryShare share(budget);
  CHECK(share.grow(10, Use::kProbe));
  CHECK_FALSE(share.grow(static_cast<std::size_t>(-1), Use::kProbe));
  CHECK(budget.used() == 10);
}

TEST_CASE_FIXTURE(Serving,
                  "unfinished bodies are taken up to the budget, then refused, and others are served all the same") {
  HttpOptions options{.connections_max = 200, .log = {}};
  options.memory_bytes_max = options.memory_bytes_min() + 8 * kMiB;
  options.request_timeout = std::chrono::minutes(5);  // the first sender waits for all others, also on a slow machine
  start(options);
  const std::string half(kMiB - 1, ' ');
  std::vector<std::unique_ptr<RawClient>> senders;
  int refused = 0;
  for (int i = 0; i < 40; ++i) {
    senders.push_back(std::make_unique<RawClient>(port()));
    senders.back()->send(post_head(kMiB) + half);
  }
  CHECK(post(port(), "/v1/interactions", R"({"type":"view"})").code == 202);
  CHECK(get(port(), "/readyz").code == 200);
  CHECK(metric(port(), "cairn_http_client_bytes") <= static_cast<double>(options.memory_bytes_max));
  for (const auto& sender : senders) {
    sender->send("x");  // those that were taken are whole now
    const Answer answer = sender->read_answer();
    CHECK((answer.code == 503 || answer.code == 400));
    if (answer.code == 503) {
      ++refused;
      CHECK(answer.headers.at("retry-after") == "1");
    }
  }
  CHECK(refused >= 40 - 10);
  CHECK(refused < 40);
  senders.clear();
  // All of it is given back: as much is taken again.
  while (metric(port(), "cairn_http_client_bytes") > 64 * 1024) std::this_thread::yield();
}

TEST_CASE_FIXTURE(Serving, "memory below what one request needs is refused at the start, with the figure") {
  HttpOptions options;
  options.memory_bytes_max = options.memory_bytes_min() - 1;
  const auto started = HttpServer::start(options, engine);
  REQUIRE(!started.ok());
  CHECK(started.status().code() == StatusCode::kInvalidArgument);
  CHECK(started.status().message().find(std::to_string(options.memory_bytes_min())) != std::string::npos);
}

TEST_SUITE_END();
