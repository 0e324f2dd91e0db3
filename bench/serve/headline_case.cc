// All together: 40,000 places, 50,000 users with six events each, kept answers in 1.25 GiB and behind it 2 GiB of disk,
// 200 events a second while 32 connections ask by Zipf's law, each user from a place of their own; over HTTP, 20 places
// with their reasons. An event makes its user's answer outdated, and some are asked for the first time: those are
// computed. Memory is that of the whole process: engine, server, the client that asks, and what cases before this one
// have left: run it alone.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/closed_loop.h"
#include "bench/serve/town.h"
#include "cairn/check.h"
#include "engine/serving/http_server.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kPlaces = 40'000;
constexpr std::size_t kUsers = 50'000;
constexpr std::size_t kConnections = 32;
constexpr int kEventsPerSecond = 200;

double resident_mb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024.0;
  }
  return 0.0;
}

/// Users of whom some are far more active than others visit places.
void visit_until(const std::stop_token& stop, Engine& engine) {
  const auto users = zipf_order(kUsers, 100'000, 21);
  std::mt19937_64 random(22);
  for (std::size_t i = 0; !stop.stop_requested(); ++i) {
    const std::string event =
        visit_of(users[i % users.size()], random() % kPlaces, to_ms(SystemClock::instance().now()));
    const std::string_view view = event;
    CAIRN_CHECK(engine.ingest({}, {&view, 1}).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 / kEventsPerSecond));
  }
}

std::uint64_t questions_of(const AnswerCacheStatus& answers) {
  return answers.hits + answers.stale_hits + answers.misses;
}

}  // namespace

void headline_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  const auto engine = open_town({.folder = folder.path(),
                                 .places = kPlaces,
                                 .users = kUsers,
                                 .answers = {.memory_bytes = std::size_t{9} << 27,
                                             .ttl = std::chrono::minutes(5),
                                             .ttl_min = std::chrono::minutes(1),
                                             .disk_bytes = std::uint64_t{2} << 30}});
  HttpOptions options;
  options.port = 0;
  const auto server = serving::HttpServer::start(options, *engine);
  CAIRN_CHECK_MSG(server.ok(), server.status().to_string());
  std::vector<std::string> posts;
  for (std::size_t user = 0; user < kUsers; ++user) posts.push_back(post_of(user));
  ClosedLoop client((*server)->port(), std::move(posts), zipf_order(kUsers, 1'000'000, 20), kConnections);
  client.rate(3.0);
  // A store of answers that has just begun misses whoever has not asked yet.
  while (!run.options.quick && questions_of(engine->status({}).answers) < 12 * kUsers) client.rate(3.0);
  const std::jthread visitors([&](const std::stop_token& stop) { visit_until(stop, *engine); });
  client.rate(1.0);
  const AnswerCacheStatus before = engine->status({}).answers;
  std::vector<double> micros;
  const double rate = client.rate(run.options.quick ? 2.0 : 10.0, &micros);
  const AnswerCacheStatus after = engine->status({}).answers;
  const auto asked = static_cast<double>(questions_of(after) - questions_of(before));
  const double hits = asked - static_cast<double>(after.misses - before.misses);
  const std::string what = "headline, 40,000 places, 50,000 users, 200 events/s, connections=32";
  run.report.add({.name = what + ": answers", .unit = "answers/s", .better = Better::kMore, .value = rate});
  run.report.add({.name = what + ": p50", .unit = "us", .better = Better::kLess, .value = at_share(micros, 0.5)});
  run.report.add({.name = what + ": p95", .unit = "us", .better = Better::kLess, .value = at_share(micros, 0.95)});
  run.report.add({.name = what + ": hit ratio",
                  .unit = "share",
                  .better = Better::kMore,
                  .value = hits / asked,
                  .peer = Peer{"aim", 0.9}});
  run.report.add({.name = what + ": resident memory, client included",
                  .unit = "MB",
                  .better = Better::kLess,
                  .value = resident_mb(),
                  .peer = Peer{"aim", 2'000.0}});
}

}  // namespace cairn::bench
