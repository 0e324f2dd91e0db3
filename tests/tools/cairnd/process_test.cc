// The program itself: what an operator, a service manager and a script see of it.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>

#include "engine/model/model.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairnd/notify_socket.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::cairnd::test {
namespace {

using Variables = std::map<std::string, std::string>;

/// A folder with a configuration that is quick to start: a state directory of its own, any free port, small buffers.
class Site {
 public:
  Site() { configure(""); }

  /// The file with something appended to it.
  void configure(const std::string& more) const {
    std::ofstream(config()) << "[state]\ndir = \"" << state() << "\"\nblock_cache = \"8MiB\"\nmemtable = \"4MiB\"\n"
                            << "row_cache = \"8MiB\"\nfree_min = \"0B\"\n[log]\nformat = \"json\"\n"
                            << more;
  }
  [[nodiscard]] std::string config() const { return folder_.path() + "/cairn.toml"; }
  [[nodiscard]] std::string state() const { return folder_.path() + "/state"; }
  [[nodiscard]] std::string socket() const { return folder_.path() + "/notify"; }

 private:
  cairn::test::TemporaryFolder folder_;
};

Variables any_port() { return {{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}}; }

Variables with(Variables all, const std::string& name, const std::string& value) {
  all[name] = value;
  return all;
}

/// The first log record of an event; empty object when there is none.
nlohmann::json log_record(const std::string& log, const std::string& event) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_object() && record.value("event", "") == event) return record;
  }
  return nlohmann::json::object();
}

/// A daemon that is ready.
class Running {
 public:
  explicit Running(const Site& site, const Variables& variables = any_port())
      : process(CAIRND_PATH, {"--config", site.config()}, variables) {
    REQUIRE_MESSAGE(process.wait_for_error_text("\"daemon.ready\""), process.error());
    REQUIRE(process.wait_for_error_text("\n"));
  }
  [[nodiscard]] int port() const { return std::stoi(log_record(process.error(), "daemon.ready").value("port", "0")); }
  Process process;
};

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) return fd;
  ::close(fd);
  return -1;
}

/// A connection on which a request has been sent; -1 when nobody takes it.
int send_request(int port, const std::string& method, const std::string& path, const std::string& body) {
  const int fd = connect_to(port);
  if (fd < 0) return fd;
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  return fd;
}

/// What comes on a connection until it ends, which this closes.
std::string read_to_end(int fd) {
  std::string answer;
  std::array<char, 1024> buffer{};
  for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return answer;
}

/// The answer to a request; empty when nobody answers.
std::string ask(int port, const std::string& method, const std::string& path, const std::string& body = "") {
  const int fd = send_request(port, method, path, body);
  return fd < 0 ? std::string() : read_to_end(fd);
}

/// The status line that GET `path` answers.
std::string get(int port, const std::string& path) {
  const std::string answer = ask(port, "GET", path);
  return answer.substr(0, answer.find("\r\n"));
}

/// The model that a daemon says it serves.
nlohmann::json served_model(int port) {
  const std::string answer = ask(port, "GET", "/v1/model");
  return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
}

TEST_CASE("it starts, answers, and stops on SIGTERM with 0") {
  const Site site;
  Running daemon(site);
  CHECK(get(daemon.port(), "/healthz") == "HTTP/1.1 200 OK");
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
  CHECK(log_record(daemon.process.error(), "daemon.stopped")["exit_code"] == "0");
  CHECK(connect_to(daemon.port()) < 0);
}

TEST_CASE("who waits for an offset when SIGTERM comes is told so, and the stop does not wait for it") {
  const Site site;
  // Far beyond the patience of these tests: a stop that waits for the request is a failure.
  Running daemon(site, with(any_port(), "CAIRN_HTTP__DRAIN_TIMEOUT", "5m"));
  const int port = daemon.port();
  const int fd = send_request(port, "POST", "/v1/recommendations",
                              R"({"user_id":"u","deadline_ms":60000,"min_offset":{"source":"api","offset":1000000}})");
  REQUIRE(fd >= 0);
  while (ask(port, "GET", "/metrics").find("cairn_admission_running{lane=\"read\"} 1") == std::string::npos) {
  }
  daemon.process.signal(SIGTERM);
  const std::string answer = read_to_end(fd);
  CHECK(answer.starts_with("HTTP/1.1 503"));
  CHECK(answer.find("\r\nRetry-After: 1\r\n") != std::string::npos);
  CHECK(answer.find("the server is stopping") != std::string::npos);
  CHECK(daemon.process.wait() == 0);
  CHECK(log_record(daemon.process.error(), "daemon.drain_cut").empty());
}

TEST_CASE("on a disk without room it waits for space, says so, and stops when told to") {
  const Site site;
  Process process(CAIRND_PATH, {"--config", site.config()}, with(any_port(), "CAIRN_STATE__FREE_MIN", "64TiB"));
  REQUIRE_MESSAGE(process.wait_for_error_text("\"daemon.waiting_for_space\""), process.error());
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
}

TEST_CASE("SIGINT stops it as well, and what it left behind opens again") {
  const Site site;
  for (int round = 0; round < 2; ++round) {
    Running daemon(site);
    daemon.process.signal(SIGINT);
    CHECK(daemon.process.wait() == 0);
  }
}

TEST_CASE("the service manager is told of start, readiness and stop, in this order") {
  const Site site;
  NotifySocket socket(site.socket());
  Running daemon(site, with(any_port(), "NOTIFY_SOCKET", socket.address()));
  CHECK(socket.wait_for("EXTEND_TIMEOUT_USEC=").find("\nSTATUS=opening") != std::string::npos);
  CHECK(socket.wait_for("READY=1").find("\nSTATUS=") != std::string::npos);
  daemon.process.signal(SIGTERM);
  CHECK_FALSE(socket.wait_for("STOPPING=1").empty());
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("the watchdog is fed") {
  const Site site;
  NotifySocket socket(site.socket());
  Variables variables = with(any_port(), "NOTIFY_SOCKET", socket.address());
  Running daemon(site, with(variables, "WATCHDOG_USEC", "200000"));
  for (int i = 0; i < 3; ++i) CHECK_FALSE(socket.wait_for("WATCHDOG=1").empty());
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("SIGHUP applies the log level, names what needs a restart, and refuses a bad file") {
  const Site site;
  NotifySocket socket(site.socket());
  Running daemon(site, with(any_port(), "NOTIFY_SOCKET", socket.address()));
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());

  site.configure("level = \"debug\"\n[ranking]\nlimit_max = 10\n");
  daemon.process.signal(SIGHUP);
  CHECK(socket.wait_for("RELOADING=1").find("\nMONOTONIC_USEC=") != std::string::npos);
  CHECK_FALSE(socket.wait_for("READY=1").empty());
  REQUIRE(daemon.process.wait_for_error_text("\"config.reloaded\""));
  REQUIRE(daemon.process.wait_for_error_text("\"applied\":\"log.level\""));
  CHECK(log_record(daemon.process.error(), "config.needs_restart")["keys"] == "ranking.limit_max");

  site.configure("level = \"loud\"\n");
  daemon.process.signal(SIGHUP);
  CHECK_FALSE(socket.wait_for("READY=1").empty());
  REQUIRE(daemon.process.wait_for_error_text("\"problems\":\"1\""));
  CHECK(log_record(daemon.process.error(), "config.problem")["place"] == site.config() + ":9:9");
  CHECK(get(daemon.port(), "/healthz") == "HTTP/1.1 200 OK");
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE(
    "SIGHUP with another rule that does nothing has it named in the log, also where the one before did as little") {
  const auto rule = [](const std::string& name, const std::string& price) {
    return "[[rule]]\nname = \"" + name + "\"\nwhen = \"price > " + price + "\"\nadd = 1\n";
  };
  const Site site;
  site.configure(rule("dear", "100"));
  Running daemon(site);
  CHECK(ask(daemon.port(), "POST", "/v1/places", R"({"place_id":"p","lat":40.7,"lon":-74.0,"attributes":{"price":3}})")
            .starts_with("HTTP/1.1 200"));
  REQUIRE(daemon.process.wait_for_error_text("\"rule\":\"dear\""));

  site.configure(rule("dear", "90") + rule("new", "80"));
  daemon.process.signal(SIGHUP);
  // It is new, and so has to wait for a second look, which the other had before.
  REQUIRE(daemon.process.wait_for_error_text("\"rule\":\"new\""));
  const std::string& log = daemon.process.error();
  const std::size_t reloaded = log.find("\"config.reloaded\"");
  REQUIRE(reloaded != std::string::npos);
  CHECK(log.find("\"rule\":\"dear\"", reloaded) != std::string::npos);
  CHECK(log_record(log, "rules.idle")["level"] == "warning");
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

/// A folder of models, and a site that is configured with one of them.
struct ModelSite {
  ModelSite() { configure("a"); }
  void configure(const std::string& name) const { site.configure("[model]\ndir = \"" + folder / name + "\"\n"); }
  /// Writes a model of so many items.
  void save(const std::string& name, std::size_t items) const {
    model::Model made{.kind = "made up", .popularity = std::vector<float>(items, 1.0F)};
    for (std::size_t i = 0; i < items; ++i) made.items.push_back("p" + std::to_string(i));
    made.components.push_back({.name = "popular"});
    const Status saved = model::save_model(made, folder / name);
    REQUIRE_MESSAGE(saved.ok(), saved.to_string());
  }
  /// Breaks a model so that its head does not show it: a popularity that is no number.
  void damage(const std::string& name) const {
    const std::string file = name + "/items-1.safetensors";
    std::string bytes = folder.read(file);
    const std::size_t one = bytes.find(std::string("\0\0\x80\x3f", 4));
    REQUIRE(one != std::string::npos);
    folder.write(file, bytes.replace(one, 4, "\xff\xff\xff\xff"));
  }

  Site site;
  cairn::test::TemporaryFolder folder;
};

TEST_CASE("SIGHUP loads the configured model again; what cannot be loaded leaves the one before in force") {
  const ModelSite models;
  models.save("a", 10);
  models.save("b", 7);
  NotifySocket socket(models.site.socket());
  Running daemon(models.site, with(any_port(), "NOTIFY_SOCKET", socket.address()));
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  const auto reload = [&] {
    daemon.process.signal(SIGHUP);
    REQUIRE_FALSE(socket.wait_for("RELOADING=1").empty());
    REQUIRE_FALSE(socket.wait_for("READY=1").empty());
    return served_model(daemon.port());
  };
  CHECK(served_model(daemon.port())["items"] == 10);
  CHECK(served_model(daemon.port())["as_configured"] == true);

  models.save("a", 12);
  const nlohmann::json second = reload();
  CHECK(second["items"] == 12);
  CHECK(second["version"].get<std::string>().ends_with("-2"));

  CHECK(ask(daemon.port(), "POST", "/v1/model/activate", R"({"dir":"b"})").starts_with("HTTP/1.1 200"));
  CHECK(served_model(daemon.port())["items"] == 7);
  CHECK(served_model(daemon.port())["as_configured"] == false);
  CHECK(reload()["version"] == second["version"]);  // what is configured rules

  models.damage("b");
  models.configure("b");
  const nlohmann::json refused = reload();
  CHECK(refused["version"] == second["version"]);
  CHECK(refused["configured"] == models.folder / "b");
  CHECK(refused["last_failure"]["directory"] == models.folder / "b");
  CHECK(refused["last_failure"]["reason"].get<std::string>().find("not finite") != std::string::npos);
  REQUIRE(daemon.process.wait_for_error_text("\"model.refused\""));
  CHECK(get(daemon.port(), "/readyz") == "HTTP/1.1 200 OK");  // degraded, and serving

  models.configure("absent");
  CHECK(reload()["version"] == second["version"]);
  REQUIRE(daemon.process.wait_for_error_text("\"config.rejected\""));

  models.save("b", 7);
  models.configure("b");
  CHECK(reload()["items"] == 7);
  models.site.configure("");
  CHECK(reload()["in_force"] == false);
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("SIGHUP reads the configured ranker again; a broken one leaves the one before in force") {
  const Site site;
  const cairn::test::TemporaryFolder folder;
  const std::filesystem::path shipped = std::filesystem::path(CAIRN_SOURCE_DIR) / "engine/ranking/default_ranker";
  std::filesystem::create_directory(folder / "r");
  for (const auto& file : std::filesystem::directory_iterator(shipped)) {
    std::filesystem::copy(file.path(), folder / "r");
  }
  const std::string text = folder.read("r/model.toml");
  const auto renumber = [&](const std::string& version) {
    folder.write("r/model.toml", std::regex_replace(text, std::regex("version = \\d+"), "version = " + version));
  };
  renumber("101");
  site.configure("[ranking]\nranker = \"" + folder / "r" + "\"\n");
  NotifySocket socket(site.socket());
  Running daemon(site, with(any_port(), "NOTIFY_SOCKET", socket.address()));
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  const auto reload = [&] {
    daemon.process.signal(SIGHUP);
    REQUIRE_FALSE(socket.wait_for("RELOADING=1").empty());
    REQUIRE_FALSE(socket.wait_for("READY=1").empty());
    return served_model(daemon.port())["ranker"];
  };
  CHECK(served_model(daemon.port())["ranker"]["version"] == 101);
  renumber("102");
  CHECK(reload()["version"] == 102);
  folder.write("r/network.safetensors", "damaged");
  const nlohmann::json kept = reload();
  CHECK(kept["version"] == 102);
  CHECK(kept["network"] == true);
  REQUIRE(daemon.process.wait_for_error_text("\"config.rejected\""));  // the check finds it first
  site.configure("");
  CHECK(reload()["directory"] == "");
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("places are imported, filtered and answered through the daemon, and SIGHUP changes the rules") {
  const std::string attributes =
      "[places]\ntime_zone = \"Europe/Berlin\"\n[[attribute]]\nname = \"price\"\ntype = \"number\"\n"
      "[[attribute]]\nname = \"opening_hours\"\ntype = \"hours\"\n";
  const Site site;
  site.configure(attributes);
  NotifySocket socket(site.socket());
  Running daemon(site, with(any_port(), "NOTIFY_SOCKET", socket.address()));
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  const auto json_of = [](const std::string& answer) {
    return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  };
  const auto import = [&](const std::string& id, const std::string& lat, const std::string& with) {
    return ask(daemon.port(), "POST", "/v1/places",
               R"({"place_id":")" + id + R"(","lat":)" + lat + R"(,"lon":13.4,"attributes":)" + with + "}");
  };
  CHECK(import("near", "52.51", R"({"price":"30","opening_hours":"Mo-Su 08:00-18:00"})").starts_with("HTTP/1.1 200"));
  CHECK(import("far", "52.55", R"({"price":10,"opening_hours":"Mo-Su 20:00-02:00"})").starts_with("HTTP/1.1 200"));
  const std::string refused = import("bad", "52.5", R"({"opening_hours":"Mo-Su 8-18"})");
  CHECK(refused.starts_with("HTTP/1.1 400"));
  CHECK(refused.find("place 0 ('bad'): attribute 'opening_hours' is no opening hours that can be read: 'Mo-Su 8-18'") !=
        std::string::npos);

  const auto answer = [&](const std::string& more) {
    return json_of(
        ask(daemon.port(), "POST", "/v1/recommendations", R"({"user_id":"u","lat":52.5,"lon":13.4)" + more + "}"));
  };
  const auto first = [&](const std::string& more) {
    const nlohmann::json items = answer(more).value("items", nlohmann::json::array());
    return items.empty() ? std::string("none") : items[0]["place_id"].get<std::string>();
  };
  const long patience = monotonic_ms() + kPatienceMs;
  while (answer("").value("candidates", 0) < 2) REQUIRE(monotonic_ms() < patience);  // answers learn of places soon
  CHECK(first("") == "near");
  CHECK(first(R"(,"where":"price < 20")") == "far");
  CHECK(first(R"(,"where":"price > 100")") == "none");
  CHECK(first(R"(,"open_at":"2026-11-27T07:30:00Z")") == "near");  // 8:30 in Berlin
  CHECK(first(R"(,"open_at":"2026-11-28T00:30:00Z")") == "far");
  CHECK(answer(R"(,"where":"prize < 20")").dump().find("did you mean 'price'?") != std::string::npos);
  CHECK(answer(R"(,"attributes":true)")["items"][0]["attributes"]["price"] == 30);

  // The same for all who ask from a cell.
  const auto list = [&](const std::string& more) {
    return ask(daemon.port(), "GET", "/v1/recommendations?lat=52.5&lon=13.4" + more, "");
  };
  const auto listed = [&](const std::string& more) {
    const nlohmann::json given = json_of(list(more));
    std::string ids;
    for (const auto& item : given.at("items")) ids += item["place_id"].get<std::string>() + " ";
    return ids;
  };
  CHECK(listed("") == "near far ");
  CHECK(listed("&where=price%20%3C%2020") == "far ");
  CHECK(listed("&where=price+%3C+31") == "near far ");
  CHECK(listed("&only=near") == "near ");
  CHECK(listed("&open_at=2026-11-27T08:30:00%2B01:00") == "near ");
  CHECK(listed("&open_at=2026-11-28T01:30:00+01:00") == "far ");
  const std::string open_now = list("&open_at=now&attributes=true");
  CHECK(open_now.starts_with("HTTP/1.1 200"));
  CHECK(open_now.find(", must-revalidate\r\n") != std::string::npos);
  CHECK(open_now.find("stale-while-revalidate") == std::string::npos);
  const std::string slip = list("&where=price%20%3C");
  CHECK(slip.starts_with("HTTP/1.1 400"));
  CHECK(slip.find("\"where: column 8: ") != std::string::npos);
  CHECK(list("&where=prize+%3C+20").find("where: no place has an attribute 'prize'; did you mean 'price'?") !=
        std::string::npos);
  CHECK(list("&open_unknown=true").find("open_unknown needs open_at") != std::string::npos);

  site.configure(attributes + "[[rule]]\nname = \"cheap\"\nwhen = \"price < 20\"\neffect = \"pin\"\n");
  daemon.process.signal(SIGHUP);
  REQUIRE_FALSE(socket.wait_for("RELOADING=1").empty());
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  CHECK(first("") == "far");
  CHECK(answer("")["items"][0]["reasons"].dump().find("rule:cheap") != std::string::npos);
  site.configure(attributes + "[[rule]]\nname = \"misspelt\"\nwhen = \"prize < 20\"\neffect = \"pin\"\n");
  daemon.process.signal(SIGHUP);
  REQUIRE_FALSE(socket.wait_for("RELOADING=1").empty());
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  CHECK(first("") == "near");
  REQUIRE(daemon.process.wait_for_error_text("\"rules.idle\""));
  REQUIRE(daemon.process.wait_for_error_text("}\n"));
  const nlohmann::json idle = log_record(daemon.process.error(), "rules.idle");
  CHECK(idle["rule"] == "misspelt");
  CHECK(idle["message"].get<std::string>().find("'prize'; did you mean 'price'?") != std::string::npos);
  CHECK(json_of(ask(daemon.port(), "GET", "/v1/status", ""))["idle_rules"][0]["name"] == "misspelt");
  site.configure(attributes);
  daemon.process.signal(SIGHUP);
  REQUIRE_FALSE(socket.wait_for("RELOADING=1").empty());
  REQUIRE_FALSE(socket.wait_for("READY=1").empty());
  CHECK(first("") == "near");
  CHECK(log_record(daemon.process.error(), "config.needs_restart").empty());
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("what the check of a configuration accepts of a model, a start accepts") {
  const ModelSite models;
  const auto check = [&] {
    Process process(CAIRND_PATH, {"--config", models.site.config(), "--check-config"}, {});
    const int code = process.wait().value_or(-1);
    return std::pair(code, process.error());
  };
  const auto [code, error] = check();
  CHECK(code == 2);
  CHECK(error.find(":10:7: model.dir: " + models.folder / "a" + ": is no model directory") != std::string::npos);
  Process refused(CAIRND_PATH, {"--config", models.site.config()}, any_port());
  CHECK(refused.wait() == 2);

  models.save("a", 10);
  models.damage("a");
  CHECK(check().first == 0);
  Running daemon(models.site);
  CHECK(served_model(daemon.port())["in_force"] == false);
  CHECK(log_record(daemon.process.error(), "model.refused")["directory"] == models.folder / "a");
  CHECK(get(daemon.port(), "/readyz") == "HTTP/1.1 200 OK");
  daemon.process.signal(SIGTERM);
  CHECK(daemon.process.wait() == 0);
}

TEST_CASE("a second process on the same state directory ends with 3 and leaves the first alone") {
  const Site site;
  Running first(site);
  Process second(CAIRND_PATH, {"--config", site.config()}, any_port());
  CHECK(second.wait() == 3);
  const nlohmann::json record = log_record(second.error(), "daemon.open_failed");
  CHECK(record["code"] == "FAILED_PRECONDITION");
  CHECK(record["message"].get<std::string>().find(site.state()) != std::string::npos);
  CHECK(get(first.port(), "/healthz") == "HTTP/1.1 200 OK");
  first.process.signal(SIGTERM);
  CHECK(first.process.wait() == 0);
}

TEST_CASE("a port that is taken ends with 4 and says what to do") {
  const Site site;
  const Site other;
  Running first(site);
  const std::string address = "127.0.0.1:" + std::to_string(first.port());
  Process second(CAIRND_PATH, {"--config", other.config()}, {{"CAIRN_HTTP__LISTEN", address}});
  CHECK(second.wait() == 4);
  const std::string message = log_record(second.error(), "daemon.listen_failed").value("message", "");
  CHECK(message.find("set http.listen") != std::string::npos);
  first.process.signal(SIGTERM);
  CHECK(first.process.wait() == 0);
}

TEST_CASE("a configuration is checked without starting anything") {
  const Site site;
  Process good(CAIRND_PATH, {"--config", site.config(), "--check-config"}, {});
  CHECK(good.wait() == 0);
  CHECK(good.output() == site.config() + ": no problems\n");
  site.configure("levle = \"info\"\n[ranking.weights]\nnonsense_zzz = 1\n");
  for (const bool check_only : {true, false}) {
    std::vector<std::string> arguments = {"--config", site.config()};
    if (check_only) arguments.emplace_back("--check-config");
    Process bad(CAIRND_PATH, arguments, {});
    CHECK(bad.wait() == 2);
    CHECK(bad.error().find(site.config() + ":9:1: unknown key 'levle' in [log]; did you mean 'level'?\n") == 0);
    CHECK(bad.error().find(site.config() + ":11:16: unknown ranking feature 'nonsense_zzz'") != std::string::npos);
    CHECK(bad.error().ends_with("cairnd: the configuration has 2 problems\n"));
  }
  CHECK(::access(site.state().c_str(), F_OK) != 0);
}

TEST_CASE("what is in effect is shown with its origin and without its secrets") {
  const Site site;
  Process shown(CAIRND_PATH, {"--config", site.config(), "--show-config"},
                {{"CAIRN_SQL__DSN", "host=db password=geheim"}, {"CAIRN_SQL__POOL_SIZE", "9"}});
  CHECK(shown.wait() == 0);
  CHECK(shown.output().find("sql.pool_size = 9  # environment variable CAIRN_SQL__POOL_SIZE\n") != std::string::npos);
  CHECK(shown.output().find("log.format = \"json\"  # " + site.config() + ":8:10\n") != std::string::npos);
  CHECK(shown.output().find("geheim") == std::string::npos);
}

TEST_CASE("the sample that the program prints is the one that is shipped, and the program accepts it") {
  Process printed(CAIRND_PATH, {"--print-sample-config"}, {});
  CHECK(printed.wait() == 0);
  const std::string path = CAIRN_SOURCE_DIR "/tools/deploy/cairn.sample.toml";
  std::ostringstream shipped;
  shipped << std::ifstream(path).rdbuf();
  CHECK(printed.output() == shipped.str());
  Process checked(CAIRND_PATH, {"--config", path, "--check-config"}, {});
  CHECK(checked.wait() == 0);
}

#ifdef CAIRN_OWN_HEAP
TEST_CASE("the daemon's memory is jemalloc's, by the settings that the daemon brings") {
  Process version(CAIRND_PATH, {"--version"}, {{"MALLOC_CONF", "stats_print:true"}});
  REQUIRE(version.wait() == 0);
  CHECK_MESSAGE(version.error().find("opt.percpu_arena: \"percpu\"") != std::string::npos, version.error());
  CHECK(version.error().find("opt.dirty_decay_ms: 5000 ") != std::string::npos);
}
#endif

TEST_CASE("help teaches, version tells, and a wrong word is exit code 2") {
  Process help(CAIRND_PATH, {"--help"}, {});
  CHECK(help.wait() == 0);
  for (const char* taught : {"--print-sample-config", "CAIRN_<SECTION>__<KEY>", "Exit codes:", "Signals:"}) {
    CHECK(help.output().find(taught) != std::string::npos);
  }
  Process version(CAIRND_PATH, {"--version"}, {});
  CHECK(version.wait() == 0);
  CHECK(version.output().starts_with("cairnd "));
  Process wrong(CAIRND_PATH, {"--confg", "x"}, {});
  CHECK(wrong.wait() == 2);
  Process missing(CAIRND_PATH, {"--config", "/nowhere/cairn.toml"}, {});
  CHECK(missing.wait() == 2);
  CHECK(missing.error().find("--print-sample-config") != std::string::npos);
}

}  // namespace
}  // namespace cairn::cairnd::test
