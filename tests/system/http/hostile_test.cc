// A running daemon and clients that mean it harm: it stays alive, others are answered, and its memory comes back.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/serving/raw_client.h"
#include "tests/support/skip.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairnd/process.h"

namespace cairn {
namespace {

using cairnd::test::monotonic_ms;
using cairnd::test::Process;
using serving_test::Answer;
using serving_test::RawClient;
using Clients = std::vector<std::unique_ptr<RawClient>>;

constexpr std::size_t kMiB = 1 << 20;
constexpr long kPatienceMs = cairnd::test::kPatienceMs;

const std::string kNext = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post(const std::string& path, const std::string& fields) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

/// The daemon and this process inherit and need many descriptors. Returns: the most that they may have.
std::size_t allow_descriptors(std::size_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

/// A daemon with small buffers on a port of its own.
class Daemon {
 public:
  Daemon() : process_(CAIRND_PATH, {"--config", write_config()}, {{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}}) {
    REQUIRE_MESSAGE(process_.wait_for_error_text("\"daemon.ready\""), process_.error());
    REQUIRE(process_.wait_for_error_text("}\n"));
    const std::string& log = process_.error();
    const std::string field = "\"port\":\"";
    port_ = static_cast<std::uint16_t>(std::stoi(log.substr(log.find(field) + field.size(), 5)));
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// Returns: 0 under sanitizers, which keep what is freed and more.
  [[nodiscard]] std::size_t resident_bytes() const {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#endif
    std::ifstream file("/proc/" + std::to_string(process_.pid()) + "/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    REQUIRE(resident > 0);
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

  /// Whether other clients are answered, probes and all.
  [[nodiscard]] bool answers() const {
    bool all = true;
    for (const char* path : {"/healthz", "/readyz", "/metrics", "/v1/feature-views"}) all = all && get(path) == 200;
    const Answer written = ask(post("/v1/interactions", "Content-Length: 78\r\n") +
                               R"({"user_id":"u","place_id":"p","type":"view","ts":1714564800000,"event_id":"e"})");
    return all && written.code == 202;
  }
  [[nodiscard]] int get(const std::string& path) const {
    return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n").code;
  }
  [[nodiscard]] Answer ask(const std::string& bytes) const {
    RawClient client(port_);
    client.send(bytes);
    return client.read_answer();
  }

  /// Waits until memory is back to within 32 MiB of what it was.
  [[nodiscard]] bool memory_comes_back(std::size_t before) const {
    const long end = monotonic_ms() + kPatienceMs;
    while (resident_bytes() > before + 32 * kMiB) {
      if (monotonic_ms() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }

  [[nodiscard]] bool stops_well() {
    process_.signal(SIGTERM);
    return process_.wait() == 0;
  }

 private:
  std::string write_config() {
    return folder_.write("cairn.toml",
                         "[state]\ndir = \"" + (folder_ / "state") +
                             "\"\nblock_cache = \"8MiB\"\nmemtable = \"4MiB\"\nrow_cache = \"8MiB\"\n"
                             "free_min = \"0B\"\n[http]\nrequest_timeout = \"2s\"\n[log]\nformat = \"json\"\n");
  }

  test::TemporaryFolder folder_;
  Process process_;
  std::uint16_t port_ = 0;
};

void connect(Clients* clients, const Daemon& daemon, std::size_t count, const std::string& bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    clients->push_back(std::make_unique<RawClient>(daemon.port()));
    clients->back()->send(bytes);
  }
}

bool all_closed_in_time(const Clients& clients) {
  const long end = monotonic_ms() + kPatienceMs;
  for (const auto& client : clients) {
    while (!client->is_closed()) {
      if (monotonic_ms() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  return true;
}

}  // namespace

TEST_CASE("trailers of every size leave the daemon alive and small") {
  Daemon daemon;
  REQUIRE(daemon.answers());
  const std::size_t before = daemon.resident_bytes();
  for (const std::string& path : {std::string("/v1/interactions"), std::string("/healthz"), std::string("/nowhere")}) {
    const std::string head = post(path, "Transfer-Encoding: chunked\r\n") + "0\r\n";
    for (const std::size_t bytes : {65'533, 65'534, 65'535, 65'536, 1'000'000}) {
      CHECK(daemon.ask(head + "X: " + std::string(bytes, 'a') + "\r\n\r\n" + kNext).code == 431);
      CHECK(daemon.ask(head + std::string(bytes, 'a') + ": x\r\n\r\n" + kNext).code == 431);
    }
    RawClient endless(daemon.port());
    endless.send(head);
    const std::string line = "X: " + std::string(30'000, 'a') + "\r\n";
    for (int i = 0; i < 10'000 && endless.send(line); ++i) {  // 300 MB
    }
    CHECK(daemon.resident_bytes() < before + 64 * kMiB);
  }
  CHECK(daemon.answers());
  CHECK(daemon.memory_comes_back(before));
  CHECK(daemon.stops_well());
}

TEST_CASE("unfinished bodies hold no more than the budget, and it comes back") {
  allow_descriptors(4096);
  Daemon daemon;
  REQUIRE(daemon.answers());
  const std::size_t before = daemon.resident_bytes();
  {
    Clients senders;
    connect(&senders, daemon, 500,
            post("/v1/interactions", "Content-Length: 1048576\r\n") + std::string(kMiB - 1, ' '));
    CHECK(daemon.resident_bytes() < before + 64 * kMiB + 32 * kMiB);
    CHECK(daemon.answers());
    connect(&senders, daemon, 100,
            post("/v1/interactions", "Transfer-Encoding: chunked\r\n") + "fffff\r\n" + std::string(kMiB - 2, ' '));
    CHECK(daemon.resident_bytes() < before + 64 * kMiB + 32 * kMiB);
    CHECK(daemon.answers());
    CHECK(all_closed_in_time(senders));
  }
  CHECK(daemon.answers());
  CHECK(daemon.memory_comes_back(before));
  CHECK(daemon.stops_well());
}

TEST_CASE("answers that nobody reads and requests sent ahead hold no more than the budget") {
  allow_descriptors(4096);
  Daemon daemon;
  REQUIRE(daemon.answers());
  const std::size_t before = daemon.resident_bytes();
  std::string many;
  for (int i = 0; i < 2000; ++i) many += kNext;
  Clients clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RawClient>(daemon.port()));
    clients.back()->send_some(many);
  }
  CHECK(daemon.answers());
  CHECK(daemon.resident_bytes() < before + 64 * kMiB + 32 * kMiB);
  clients.clear();
  CHECK(daemon.answers());
  CHECK(daemon.memory_comes_back(before));
  CHECK(daemon.stops_well());
}

TEST_CASE("a crowd of silent and slow connections keeps nobody out") {
  const std::size_t crowd = 1100;
  if (allow_descriptors(8192) < 3 * crowd) return cairn::test::skip("this user may not open enough files (ulimit -Hn)");
  Daemon daemon;
  REQUIRE(daemon.answers());
  const std::size_t before = daemon.resident_bytes();
  for (const std::string& begin :
       {std::string(), std::string("POST /v1/interactions HT"), post("/v1/interactions", "Content-Length: 1000\r\n"),
        post("/v1/interactions", "Transfer-Encoding: chunked\r\n") + "5\r\n"}) {
    CAPTURE(begin);
    Clients clients;
    connect(&clients, daemon, crowd, begin);
    CHECK(daemon.answers());
    for (int round = 0; round < 3; ++round) {
      for (const auto& client : clients) client->send("x");
      CHECK(daemon.answers());
    }
    if (!begin.empty()) CHECK(all_closed_in_time(clients));
    CHECK(daemon.answers());
  }
  CHECK(daemon.memory_comes_back(before));
  CHECK(daemon.stops_well());
}

TEST_CASE("a daemon that has no descriptor left makes room for who has a request") {
  const std::size_t few = 256;
  allow_descriptors(few);
  Daemon daemon;
  allow_descriptors(8192);
  Clients silent;
  connect(&silent, daemon, 600, "");
  CHECK(daemon.answers());
  silent.clear();
  CHECK(daemon.stops_well());
}

TEST_CASE("a message that could be read in two ways is refused with 400, and what follows is not served") {
  Daemon daemon;
  const std::string path = "/v1/interactions";
  for (const std::string& message : {
           post(path, "Transfer-Encoding: xchunked\r\n"),
           post(path, "Transfer-Encoding: identity\r\n"),
           post(path, "Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n",
           post(path, "Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
           post(path, "Content-Length: 2\r\nContent-Length: 2\r\n") + "{}",
           post(path, "Content-Length: 2\r\nContent-Length: 3\r\n") + "{}",
           post(path, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
           std::string("POST /v1/interactions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           post(path, "X: a\r\n folded\r\nContent-Length: 0\r\n"),
           post(path, "Transfer-Encoding: chunked\r\n") + "-1\r\n\r\n",
           post(path, "Transfer-Encoding: chunked\r\n") + "00000000000000000000\r\n\r\n",
           post(path, "Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n\r\n",
           post(path, std::string("X: a\0b\r\nContent-Length: 0\r\n", 27)),
           post(path, "X: a\rb\r\nContent-Length: 0\r\n"),
           std::string("GET /healthz HTTP/1.1\nHost: localhost\n\n"),
           std::string("GET /healthz HTTP/1.1\r\n\r\n"),
       }) {
    CAPTURE(message);
    RawClient client(daemon.port());
    client.send(message + kNext);
    const Answer answer = client.read_answer();
    CHECK(answer.code == 400);
    CHECK(answer.body.find("\"message\"") != std::string::npos);
    CHECK(client.read_answer().code == 0);
  }
  CHECK(daemon.answers());
  CHECK(daemon.stops_well());
}

TEST_CASE("doors: foreign names, and files outside the folder for checkpoints") {
  Daemon daemon;
  CHECK(daemon.ask("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").code == 403);
  const auto checkpoint = [&](const std::string& name) {
    const std::string body = "{\"path\":\"" + name + "\"}";
    return daemon.ask(post("/v1/checkpoint", "Content-Length: " + std::to_string(body.size()) + "\r\n") + body);
  };
  const test::TemporaryFolder elsewhere;
  for (const std::string& name : {elsewhere / "x", std::string("../x"), std::string("a/../../x"), std::string("..")}) {
    CHECK(checkpoint(name).code == 400);
  }
  const Answer made = checkpoint("first");
  CHECK_MESSAGE(made.code == 200, made.body);
  CHECK(made.body.find("/state-checkpoints/first\"") != std::string::npos);
  CHECK(checkpoint("first").code == 409);
  CHECK(daemon.stops_well());
}

}  // namespace cairn
