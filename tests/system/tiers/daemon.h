#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/place.h"
#include "cairn/source_position.h"
#include "tests/engine/serving/raw_client.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {

/// Where the places of these tests are: a grid of 40 by 50 near 40.7, -74.
inline constexpr int kTownPlaces = 2'000;

inline Place place_of_town(int i) {
  return {PlaceId("p" + std::to_string(i)),
          "",
          {40.7 + 0.0005 * static_cast<double>(i % 40), -74.0 + 0.0005 * static_cast<double>(i / 40)},
          "c" + std::to_string(i % 5)};
}

/// A daemon that keeps answers in memory that has no room for all of them, on its disk and in PostgreSQL.
/// Threads: port() and post() any; the rest one.
class Daemon {
 public:
  using json = nlohmann::json;

  static constexpr std::chrono::milliseconds kTtl{2'000};
  static constexpr std::chrono::milliseconds kStale{500};

  /// `more`: further sections of its configuration.
  Daemon(const TemporaryFolder& folder, const std::string& name, const std::string& dsn, const std::string& more = "")
      : config_(folder / (name + ".toml")) {
    std::ofstream(config_) << "[state]\ndir = \"" << (folder / name) << "\"\nfree_min = \"0B\"\n[sql]\ndsn = \"" << dsn
                           << "\"\nshared = true\n[log]\nformat = \"json\"\n[http]\nhosts = [\"t\", \"test\"]\n"
                           << "[cache]\nmemory = \"256KiB\"\nttl = \"" << kTtl.count() << "ms\"\nttl_min = \""
                           << kTtl.count() << "ms\"\nstale = \"" << kStale.count() << "ms\"\nwarm_cells = 0\n"
                           << "shared = true\nshared_timeout = \"10s\"\n"
                           << more;
    start();
  }

  void start() {
    process_ = std::make_unique<cairnd::test::Process>(
        CAIRND_PATH, std::vector<std::string>{"--config", config_},
        std::map<std::string, std::string>{{"CAIRN_HTTP__LISTEN", "127.0.0.1:0"}});
    REQUIRE_MESSAGE(process_->wait_for_error_text("\"daemon.ready\""), process_->error());
    REQUIRE(process_->wait_for_error_text("}\n"));
    const std::string& log = process_->error();
    const std::size_t port = log.find("\"port\":\"", log.find("\"daemon.ready\""));
    REQUIRE_MESSAGE(port != std::string::npos, log);
    port_ = static_cast<std::uint16_t>(std::stoul(log.substr(port + 8)));
  }
  void kill() {
    port_ = 0;
    process_->signal(SIGKILL);
    CHECK(process_->wait() == 128 + SIGKILL);
  }
  void signal(int number) const { process_->signal(number); }
  /// 0: it was killed.
  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] json post(const std::string& target, const json& body) const {
    const auto answer = serving_test::post(port_, target, body.dump());
    REQUIRE_MESSAGE(answer.code / 100 == 2, answer.code, " ", answer.body);
    return json::parse(answer.body);
  }
  [[nodiscard]] json recommend(const json& question) const { return post("/v1/recommendations", question); }
  [[nodiscard]] json cache() const { return json::parse(serving_test::get(port_, "/v1/cache").body); }

  /// Returns when its answers know the places.
  void import() const {
    json places = json::array();
    for (int i = 0; i < kTownPlaces; ++i) {
      const Place one = place_of_town(i);
      places.push_back({{"place_id", one.id.str()},
                        {"lat", one.position.lat},
                        {"lon", one.position.lon},
                        {"category", one.category}});
    }
    for (std::size_t begin = 0; begin < places.size(); begin += 500) {
      static_cast<void>(post("/v1/places", json(places.begin() + static_cast<std::ptrdiff_t>(begin),
                                                places.begin() + static_cast<std::ptrdiff_t>(begin) + 500)));
    }
    const json all = {{"user_id", "x"}, {"lat", 40.7}, {"lon", -74.0}, {"max_staleness_ms", 0}};
    while (recommend(all).at("candidates") != kTownPlaces) std::this_thread::yield();
  }

 private:
  const std::string config_;
  std::unique_ptr<cairnd::test::Process> process_;
  std::atomic<std::uint16_t> port_{0};
};

/// One of the questions that a user asks again and again, for places where the user has not been. Half of them are
/// asked from a cell, where users of whom nothing is known share an answer.
inline constexpr std::uint32_t kQuestions = 12;
inline nlohmann::json question_of(const std::string& user, std::uint32_t number) {
  return {{"user_id", user},
          {"lat", 40.71 + 0.001 * (number % 3)},
          {"lon", -73.99},
          {"limit", number % 2 == 0 ? 5 : 20},
          {"snap", number >= kQuestions / 2},
          {"exclude_seen", true},
          {"deadline_ms", 60'000}};
}

inline nlohmann::json to_json(const Watermark& mark) {
  return {
      {"source", mark.source}, {"partition", mark.position.partition.value}, {"offset", mark.position.offset.value}};
}

}  // namespace cairn::test
