// `cairn load` and `cairn capacity` as programs, against a running daemon.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/serving/raw_client.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/run_cli.h"
#include "tests/tools/cairnd/process.h"

namespace cairn {
namespace {

using cairnd::test::Process;
using cli_test::Outcome;
using nlohmann::json;

/// A daemon with small buffers and two cafés.
class Daemon {
 public:
  /// `more`: further sections of its configuration.
  explicit Daemon(const std::string& more = "")
      : process_(CAIRND_PATH, {"--config", write_config(more)}, {{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}}) {
    REQUIRE_MESSAGE(process_.wait_for_error_text("\"daemon.ready\""), process_.error());
    REQUIRE(process_.wait_for_error_text("}\n"));
    const std::string field = "\"port\":\"";
    const std::string& log = process_.error();
    port_ = std::stoi(log.substr(log.find(field) + field.size(), 5));
    const std::string places =
        folder_.write("places.ndjson", R"({"place_id":"cafe one","lat":40.0,"lon":-74.0,"category":"cafe"})"
                                       "\n"
                                       R"({"place_id":"p/2","lat":40.001,"lon":-74.0,"category":"cafe"})"
                                       "\n");
    REQUIRE(cli({"places", "import", places}).exit_code == 0);
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] Outcome cli(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), {"--url", url()});
    return cli_test::run_cli(arguments, input);
  }
  [[nodiscard]] json load(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), {"-o", "json", "load"});
    const Outcome outcome = cli(arguments, input);
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return json::parse(outcome.out);
  }
  /// What the daemon itself has counted of a route's answers with a code.
  [[nodiscard]] long counted(const std::string& route, int code) const;

  [[nodiscard]] const test::TemporaryFolder& folder() const { return folder_; }
  [[nodiscard]] int port() const { return port_; }
  Process& process() { return process_; }

 private:
  std::string write_config(const std::string& more) const {
    return folder_.write("cairn.toml", "[state]\ndir = \"" + folder_.path() +
                                           "/state\"\nblock_cache = \"8MiB\"\nmemtable = \"4MiB\"\nrow_cache = "
                                           "\"8MiB\"\nfree_min = \"0B\"\n[log]\nformat = \"json\"\n" +
                                           more);
  }

  test::TemporaryFolder folder_;
  Process process_;
  int port_ = 0;
};

std::string get(int port, const std::string& path) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return answer;
}

long Daemon::counted(const std::string& route, int code) const {
  std::istringstream lines(get(port_, "/metrics"));
  const std::string name = "cairn_http_requests_total{";
  for (std::string line; std::getline(lines, line);) {
    const bool ours = line.starts_with(name) && line.find("route=\"" + route + "\"") != std::string::npos &&
                      line.find("code=\"" + std::to_string(code) + "\"") != std::string::npos;
    if (ours) return std::lround(std::stod(line.substr(line.rfind(' '))));
  }
  return 0;
}

TEST_SUITE_BEGIN("load");

TEST_CASE("what it says it sent is what the daemon has counted") {
  Daemon daemon;
  const json report = daemon.load(
      {"--rate",     "400",      "--arrivals",    "constant",
       "--duration", "1",        "--connections", "8",
       "--at",       "40,-74",   "--mix",         "recommend=3,features=1,places=1,healthz=1,interactions=1",
       "--threads",  "2",        "--user-count",  "20",
       "--keys",     "zipf:1.1", "--seed",        "5"});
  const json& step = report["steps"][0];
  CHECK(step["due"] == 400);
  CHECK(step["sent"] == 400);
  CHECK(step["unsent"] == 0);
  CHECK(step["good"] == 400);
  CHECK(step["failed"] == 0);
  CHECK(step["refused"] == 0);
  CHECK(step["latency"]["count"] == 400);
  CHECK(step["codes"]["200"].get<long>() + step["codes"]["202"].get<long>() == 400);
  CHECK(step["codes"]["202"] == daemon.counted("/v1/interactions", 202));
  // The ones beyond are from before: it looked whether the daemon is there, and for places to ask for.
  const long others = daemon.counted("/v1/recommendations", 200) + daemon.counted("/v1/features/{entity}/{key}", 200) +
                      daemon.counted("/v1/places/{id}", 200) + daemon.counted("/healthz", 200);
  CHECK(others == step["codes"]["200"].get<long>() + 1 + 20);
  CHECK(daemon.counted("/v1/places/{id}", 404) == 0);
}

TEST_CASE("the warm-up is sent and not counted, and each second has its line on standard error") {
  Daemon daemon;
  const Outcome outcome = daemon.cli({"load", "--rate", "200", "--arrivals", "constant", "--duration", "1", "--warm-up",
                                      "1", "--mix", "healthz", "-o", "json"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(json::parse(outcome.out)["steps"][0]["due"] == 200);
  CHECK(daemon.counted("/healthz", 200) == 401);
  CHECK(outcome.err.find("(warm-up)\n") != std::string::npos);
  CHECK(daemon.cli({"-q", "load", "--rate", "50", "--duration", "0.2", "--mix", "healthz"}).err.empty());
}

TEST_CASE("bodies of a file go to the path that is named, and wrong ones count as failures by their code") {
  Daemon daemon;
  const std::string bodies =
      daemon.folder().write("bodies.ndjson", "{\"user_id\":\"u\",\"lat\":40,\"lon\":-74}\n{\"no\":1}\n");
  const json step =
      daemon.load({"--rate", "100", "--arrivals", "constant", "--duration", "1", "--requests", bodies})["steps"][0];
  CHECK(step["codes"]["200"] == 50);
  CHECK(step["codes"]["400"] == 50);
  CHECK(step["good"] == 50);
  CHECK(step["failed"] == 50);
  CHECK(step["failed_share"] == 0.5);
  CHECK(step["reasons"]["400"].get<std::string>().find("unknown field 'no'") != std::string::npos);
  CHECK(step["latency"]["count"] == 50);  // errors come quickly, and would make it look better
}

TEST_CASE("a ramp ends where it was told to, capacity takes its report, and the picture is drawn") {
  Daemon daemon;
  const std::string svg = daemon.folder() / "latency.svg";
  const Outcome ramp = daemon.cli({"-o", "json", "load", "--ramp", "100..300", "--step", "100", "--duration", "0.3",
                                   "--mix", "healthz", "--target-p99", "10000", "--svg", svg});
  REQUIRE(ramp.exit_code == 0);
  const json report = json::parse(ramp.out);
  CHECK(report["steps"].size() == 3);
  CHECK(report["capacity"]["rate"] == 300.0);
  CHECK(report["capacity"]["reached_end"] == true);
  std::ifstream picture(svg);
  std::string first;
  std::getline(picture, first);
  CHECK(first.starts_with("<svg xmlns="));

  // 200/s with half of each machine left free: 1,000 / 150 = 6.7, so 7 and a spare one.
  const Outcome plan =
      daemon.cli({"-o", "json", "capacity", "-", "--target-rate", "1000", "--headroom", "0.5"}, ramp.out);
  REQUIRE(plan.exit_code == 0);
  CHECK(json::parse(plan.out)["machines"] == 8);
  CHECK(json::parse(plan.out)["machine_rate_is_lower_bound"] == true);
  CHECK(json::parse(plan.out)["cost_per_hour"].is_null());
}

TEST_CASE("a goal that no rate can meet ends a ramp after two of them, and is no capacity") {
  Daemon daemon;
  const Outcome ramp = daemon.cli({"-o", "json", "load", "--ramp", "100..500", "--step", "100", "--duration", "0.2",
                                   "--mix", "healthz", "--target-p99", "0.001"});
  REQUIRE(ramp.exit_code == 0);
  CHECK(json::parse(ramp.out)["steps"].size() == 2);
  CHECK(json::parse(ramp.out)["capacity"]["rate"].is_null());
  const Outcome plan = daemon.cli({"capacity", "-", "--target-rate", "1000"}, ramp.out);
  CHECK(plan.exit_code == 1);
  CHECK(plan.err.find("--target-p99") != std::string::npos);
}

TEST_CASE("a picture that cannot be written is told of before anything is measured") {
  Daemon daemon;
  const Outcome outcome = daemon.cli({"load", "--rate", "10", "--duration", "3600", "--mix", "healthz", "--svg",
                                      daemon.folder() / "nowhere/latency.svg"});
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.err.find("nowhere/latency.svg") != std::string::npos);
  CHECK(daemon.counted("/healthz", 200) == 0);
}

TEST_CASE("SIGINT in a ramp ends it, and it does not say that all rates met the goal") {
  Daemon daemon;
  Process load(CAIRN_PROGRAM,
               {"--url", daemon.url(), "-o", "json", "load", "--ramp", "100..5000", "--step", "100", "--duration",
                "3600", "--mix", "healthz"},
               {});
  REQUIRE(load.wait_for_error_text("   1 s"));
  load.signal(SIGINT);
  CHECK(load.wait() == 0);
  const json capacity = json::parse(load.output())["capacity"];
  CHECK(capacity["reached_end"] == false);
  CHECK(capacity["interrupted"] == true);
}

TEST_CASE("SIGINT ends it at once with what was measured so far") {
  Daemon daemon;
  Process load(CAIRN_PROGRAM,
               {"--url", daemon.url(), "-o", "json", "load", "--rate", "200", "--duration", "3600", "--mix", "healthz"},
               {});
  REQUIRE(load.wait_for_error_text("   1 s"));
  load.signal(SIGINT);
  CHECK(load.wait() == 0);
  const json step = json::parse(load.output())["steps"][0];
  CHECK(step["interrupted"] == true);
  CHECK(step["good"].get<long>() > 0);
  CHECK(step["seconds"].get<double>() >= 1.0);
  CHECK(step["seconds"].get<double>() < 3000.0);
}

/// Takes connections and answers each request only after `stall`, the first one alone; counts as a server that stalls
/// once.
class StallsOnce {
 public:
  explicit StallsOnce(std::chrono::milliseconds stall) : stall_(stall), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_, 8) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~StallsOnce() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  StallsOnce(const StallsOnce&) = delete;
  StallsOnce& operator=(const StallsOnce&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  /// One connection after the other. The first is that of the command's look whether anybody is there.
  void serve() {
    for (int one = 0; (one = ::accept(socket_, nullptr, nullptr)) >= 0;) {
      answer_all(one);
      ::close(one);
    }
  }
  void answer_all(int connection) {
    char buffer[4096];
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    while (::recv(connection, buffer, sizeof buffer, 0) > 0) {
      if (++requests_ == 2) std::this_thread::sleep_for(stall_);
      if (::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
      if (std::string_view(buffer).find("close") != std::string_view::npos) return;
    }
  }

  const std::chrono::milliseconds stall_;
  const int socket_;
  int port_ = 0;
  int requests_ = 0;
  std::thread thread_;
};

TEST_CASE("a server that stalls once has made all wait that were due meanwhile") {
  StallsOnce server(std::chrono::milliseconds(500));
  const Outcome outcome = cli_test::run_cli({"--url", server.url(), "-o", "json", "load", "--rate", "200", "--arrivals",
                                             "constant", "--duration", "1", "--connections", "1", "--mix", "healthz"});
  REQUIRE(outcome.exit_code == 0);
  const json step = json::parse(outcome.out)["steps"][0];
  CHECK(step["due"] == 200);
  // Of one request the server took 500 ms; a hundred were due meanwhile, evenly, and so half of all waited up to that.
  // What it took alone tells nothing of this: that is what coordinated omission would have reported.
  CHECK(step["latency"]["max_ms"].get<double>() >= 500.0);
  CHECK(step["waited_for_connection"].get<long>() >= 99);
  CHECK(step["latency"]["mean_ms"].get<double>() >= 100.0);
  CHECK(step["service_time"]["max_ms"].get<double>() >= 500.0);
  CHECK(step["send_delay"]["max_ms"].get<double>() >= 490.0);
}

/// The sum of a counter's series of which a label is as wanted, by the daemon's own metrics.
double summed(int port, const std::string& name, const std::string& label) {
  std::istringstream lines(get(port, "/metrics"));
  double sum = 0.0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") || line.find(label) == std::string::npos) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

TEST_CASE(
    "of many times as much as can be answered each request is answered or refused, counted, and it goes on after") {
  // A queue of one question: whatever the machine can do, more come than fit.
  Daemon daemon("[cache]\nmemory = \"0B\"\n[batching]\nsize = 2\nat_once = 1\nqueue = 1\n");
  const json step = daemon.load({"--rate", "20000", "--duration", "2", "--connections", "96", "--at", "40,-74", "--mix",
                                 "recommend", "--seed", "3"})["steps"][0];
  INFO(step.dump());
  const long sent = step["sent"].get<long>();
  CHECK(step["good"].get<long>() > 0);
  CHECK(step["refused"].get<long>() > 0);
  const long answered = step["good"].get<long>() + step["refused"].get<long>() + step["failed"].get<long>();
  CHECK(sent == answered + step["cut_off"].get<long>());
  CHECK(step["refused"] == step["codes"]["503"]);
  CHECK(step["refused"] == step["refusal_time"]["count"]);
  const auto questions = [&](const std::string& outcome) {
    return summed(daemon.port(), "cairn_batching_questions_total", "outcome=\"" + outcome + "\"");
  };
  CHECK(questions("completed") >= step["good"].get<double>());
  CHECK(questions("rejected") > 0.0);
  CHECK(questions("admitted") ==
        questions("completed") + questions("rejected") + questions("expired") + questions("cancelled"));
  const auto lane = [&](const std::string& count) {
    return summed(daemon.port(), "cairn_admission_" + count, "lane=\"read\"");
  };
  CHECK(lane("admitted_total") >= static_cast<double>(answered));
  CHECK(lane("admitted_total") == lane("completed_total") + lane("rejected_total") + lane("expired_total"));
  const json after = daemon.load({"--rate", "20", "--arrivals", "constant", "--duration", "1", "--connections", "1",
                                  "--at", "40,-74"})["steps"][0];
  CHECK(after["good"] == 20);
}

TEST_CASE("who finds all places to wait taken is refused at once, with 503 and when to come again") {
  Daemon daemon("[http]\nreads = 1\nreads_queue = 1\nhosts = [\"t\"]\n");
  const auto lane = [&](const std::string& count) {
    return summed(daemon.port(), "cairn_admission_" + count, "lane=\"read\"");
  };
  const auto port = static_cast<std::uint16_t>(daemon.port());
  // Waits for an event that nobody sends.
  const std::string waits = serving_test::recommend_bytes(
      R"({"user_id":"u","lat":40,"lon":-74,"min_offset":{"source":"api","partition":0,"offset":1000},)"
      R"("deadline_ms":60000})");
  const double before = lane("admitted_total");
  {
    serving_test::RawClient runs(port);
    REQUIRE(runs.send(waits));
    while (lane("running") < 1.0) std::this_thread::yield();
    serving_test::RawClient waits_for_it(port);
    REQUIRE(waits_for_it.send(waits));
    while (lane("queued") < 1.0) std::this_thread::yield();
    serving_test::RawClient refused(port);
    for (int i = 0; i < 20; ++i) {
      REQUIRE(refused.send(serving_test::recommend_bytes(R"({"user_id":"u","lat":40,"lon":-74})")));
      const auto answer = refused.read_answer();
      CHECK(answer.code == 503);
      REQUIRE(answer.headers.contains("retry-after"));
      CHECK(std::stoi(answer.headers.at("retry-after")) >= 1);
      CHECK(json::parse(answer.body)["error"]["code"] == "RESOURCE_EXHAUSTED");
    }
    CHECK(lane("running") == 1.0);
    CHECK(lane("queued") == 1.0);
    CHECK(lane("rejected_total") == 20.0);
  }
  // Both have hung up, and their places are free.
  while (lane("running") + lane("queued") > 0.0) std::this_thread::yield();
  CHECK(lane("admitted_total") - before == 22.0);
  CHECK(lane("admitted_total") == lane("completed_total") + lane("rejected_total") + lane("expired_total"));
  serving_test::RawClient next(port);
  REQUIRE(next.send(serving_test::recommend_bytes(R"({"user_id":"u","lat":40,"lon":-74})")));
  CHECK(next.read_answer().code == 200);
}

TEST_CASE("more connections than the usual limit of open files are made when the process may have them") {
  Daemon daemon;
  const std::string program = CAIRN_PROGRAM;
  const std::string command =
      program + " --url " + daemon.url() + " -q -o json load --rate 100 --duration 0.5 --mix healthz --connections 100";
  Process raised("/bin/sh", {"-c", "ulimit -S -n 60; exec " + command}, {});
  CHECK(raised.wait() == 0);
  CHECK(json::parse(raised.output())["steps"][0]["failed"] == 0);
  Process held("/bin/sh", {"-c", "ulimit -n 60; exec " + command}, {});
  CHECK(held.wait() == 1);
  CHECK(held.error().find("ulimit -n") != std::string::npos);
}

TEST_CASE("nobody there is exit code 3, and what makes no sense is 2") {
  const std::vector<std::string> nobody = {"--url", "http://127.0.0.1:1", "load", "--duration", "1"};
  CHECK(cli_test::run_cli(nobody).exit_code == 3);
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"load", "--mix", "everything"},
                                                {"load", "--at", "91,0"},
                                                {"load", "--box", "1,2,0,4"},
                                                {"load", "--keys", "zipf:0"},
                                                {"load", "--ramp", "5..1"},
                                                {"load", "--ramp", "1..2", "--rate", "5"},
                                                {"load", "--threads", "4", "--connections", "2"},
                                                {"load", "--step", "5"},
                                                {"capacity", "x"},
                                                {"load", "--ramp", "1..100000", "--step", "1"}}) {
    INFO(wrong[0], " ", wrong[1]);
    CHECK(cli_test::run_cli(wrong).exit_code == 2);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace cairn
