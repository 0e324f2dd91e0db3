#pragma once

#include <doctest/doctest.h>
#include <signal.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/run_cli.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::shop_test {

using cairnd::test::Process;
using cli_test::Outcome;
using nlohmann::json;

/// The two programs on a state directory of their own, configured for a shop whose files have words of its own.
class Shop {
 public:
  /// `more`: how the configuration goes on behind [mapping.types].
  explicit Shop(const std::string& more = "") {
    configure(more);
    start();
  }

  /// What counts from the next start.
  void configure(const std::string& more) {
    config_ =
        folder_.write("cairn.toml", "[state]\ndir = \"" + folder_.path() +
                                        "/state\"\nblock_cache = \"8MiB\"\nmemtable = \"4MiB\"\nrow_cache = "
                                        "\"8MiB\"\nfree_min = \"0B\"\n[log]\nformat = \"json\"\n"
                                        "[mapping]\ntime_format = \"%d.%m.%Y %H:%M\"\ntime_zone = \"UTC\"\n"
                                        "[mapping.fields]\nKunde = \"user_id\"\nLaden = \"place_id\"\n"
                                        "Vorgang = \"type\"\nWann = \"ts\"\nSterne = \"value\"\nBeleg = \"event_id\"\n"
                                        "[mapping.types]\nBesuch = \"visit\"\nBewertung = \"rate\"\n" +
                                        more);
  }

  void start() {
    daemon_ = std::make_unique<Process>(CAIRND_PATH, std::vector<std::string>{"--config", config_},
                                        std::map<std::string, std::string>{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
    REQUIRE_MESSAGE(daemon_->wait_for_error_text("\"daemon.ready\""), daemon_->error());
    REQUIRE(daemon_->wait_for_error_text("}\n"));
    const std::string field = "\"port\":\"";
    const std::string& log = daemon_->error();
    url_ = "http://127.0.0.1:" + std::to_string(std::stoi(log.substr(log.find(field) + field.size(), 5)));
  }
  /// Ends in order, or as a crash does, and starts on what is there.
  void restart(int signal) {
    daemon_->signal(signal);
    const auto code = daemon_->wait();
    REQUIRE(code == (signal == SIGKILL ? 128 + SIGKILL : 0));
    start();
  }

  [[nodiscard]] Outcome run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--url", url_, "-o", "json"});
    return cli_test::run_cli(arguments);
  }
  [[nodiscard]] json ask(const std::vector<std::string>& arguments) const {
    const Outcome outcome = run(arguments);
    INFO(arguments[0], " ", outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return json::parse(outcome.out, nullptr, false);
  }
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    return folder_.write(name, text);
  }
  [[nodiscard]] const std::string& config() const { return config_; }

  /// An entry of a view; null when there is none.
  [[nodiscard]] json entry(const std::string& entity, const std::string& key, const std::string& view,
                           const std::string& dimension = "") const {
    const Outcome outcome = run({"features", "get", entity, key, "--view", view});
    REQUIRE((outcome.exit_code == 0 || outcome.exit_code == 4));  // of what nothing is known it is 4
    if (outcome.exit_code == 4) return {};
    const json answer = json::parse(outcome.out, nullptr, false);
    for (const json& entry : answer["features"][0]["entries"]) {
      if (entry["dimension"] == dimension) return entry;
    }
    return {};
  }
  [[nodiscard]] double value(const std::string& entity, const std::string& key, const std::string& view,
                             const std::string& dimension = "") const {
    const json found = entry(entity, key, view, dimension);
    return found.is_null() ? 0.0 : found["value"].get<double>();
  }
  /// The places of an answer near all four venues, in order; `items` gets them whole.
  std::vector<std::string> recommended(const std::string& user, json* items = nullptr) const {
    const json answer = ask({"recommend", "-u", user, "--at", "52.5205,13.40", "--time", "2024-05-16T08:00:00Z"});
    std::vector<std::string> places;
    for (const json& item : answer["items"]) places.push_back(item["place_id"]);
    if (items != nullptr) *items = answer["items"];
    return places;
  }

 private:
  test::TemporaryFolder folder_;
  std::string config_;
  std::unique_ptr<Process> daemon_;
  std::string url_;
};

}  // namespace cairn::shop_test
