// Answers that are kept and given again (tier L1). In process, on one thread: the 95th percentile of a question to an
// engine that has 20,000 users' answers, of 20 places with their reasons, who ask by Zipf's law. Over HTTP, 32
// connections, one socket thread: a list of a cell, and answers of users, beside a bare Boost.Beast responder with as
// many bodies in the same order, in turn, in the same process; and beside Redis, GET of one value of as many bytes by
// redis-benchmark without pipelining, which is a program of its own and so has a core of its own for its server.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bench/serve/bare_responder.h"
#include "bench/serve/cases.h"
#include "bench/serve/closed_loop.h"
#include "bench/serve/measure.h"
#include "bench/serve/redis_peer.h"
#include "bench/serve/town.h"
#include "cairn/check.h"
#include "engine/serving/http_server.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kUsers = 20'000;
constexpr std::size_t kConnections = 32;

void in_process(ServeRun& run, const Engine& engine) {
  std::vector<RecommendRequest> requests;
  for (std::size_t user = 0; user < kUsers; ++user) {
    requests.push_back(
        {.user = UserId("u" + std::to_string(user)), .position = position_of(user), .radius_meters = 3000.0});
    CAIRN_CHECK(engine.recommend({}, requests.back()).ok());
  }
  std::vector<double> micros;
  const auto order = zipf_order(kUsers, run.options.quick ? 50'000 : 500'000, 8);
  std::size_t hits = 0;
  for (const std::uint32_t user : order) {
    const RecommendRequest request = requests[user];  // as one that has just been read, it is in the nearest cache
    const auto start = std::chrono::steady_clock::now();
    const auto answer = engine.recommend({}, request);
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    hits += answer.ok() && answer->kept ? 1 : 0;
  }
  CAIRN_CHECK(hits == order.size());
  for (const double share : {0.5, 0.95}) {
    run.report.add(
        {.name = "kept answer of a user, 20 places, in process, p" + std::to_string(static_cast<int>(100 * share)),
         .unit = "us",
         .better = Better::kLess,
         .value = at_share(micros, share),
         .peer = Peer{"aim", 2.0}});
  }
}

void over_http(ServeRun& run, const Engine& engine, std::uint16_t port, const std::string& what,
               const std::vector<std::string>& requests) {
  const auto order = zipf_order(requests.size(), 10'000, 9);
  ClosedLoop ours(port, requests, order, kConnections);
  for (std::uint64_t before = ~std::uint64_t{0}; before != engine.status({}).answers.misses;) {
    before = engine.status({}).answers.misses;
    ours.rate(1.0);  // until all that is asked for is kept
  }
  // As many bodies, each in a place of its own, as all of ours are in no cache of the processor.
  const BareResponder bare(std::vector<std::string>(requests.size(), ours.body()), order);
  ClosedLoop theirs(bare.port(), requests, order, kConnections);
  theirs.rate(0.3);
  const auto redis = RedisServer::start();
  std::vector<double> our_rates;
  std::vector<double> their_rates;
  std::vector<double> redis_rates;
  const double seconds = run.options.quick ? 0.2 : 0.5;
  for (std::size_t round = run.rounds(9); round > 0; --round) {
    our_rates.push_back(ours.rate(seconds));
    their_rates.push_back(theirs.rate(seconds));
    if (!redis) continue;
    redis_rates.push_back(
        redis->gets_per_second(ours.body().size(), kConnections, run.options.quick ? 10'000 : 30'000));
  }
  Case measured{.name = "http kept answers, " + what + ", " + std::to_string(ours.body().size()) + " bytes",
                .unit = "answers/s",
                .better = Better::kMore,
                .value = median(our_rates),
                .peer = Peer{"bare Boost.Beast responder", median(their_rates)}};
  run.report.add(measured);
  if (redis_rates.empty() || median(redis_rates) == 0.0) return;
  measured.peer = Peer{"redis-benchmark GET, no pipelining", median(redis_rates)};
  run.report.add(measured);
}

}  // namespace

void answers_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  const auto engine = open_town({.folder = folder.path(),
                                 .places = 10'000,
                                 .users = kUsers,
                                 .events_per_user = 3,
                                 .answers = {.memory_bytes = std::size_t{1} << 30,
                                             .ttl = std::chrono::hours(1),
                                             .ttl_min = std::chrono::hours(1),
                                             .warm_cells = 0}});
  in_process(run, *engine);
  HttpOptions options;
  options.port = 0;
  const auto server = serving::HttpServer::start(options, *engine);
  CAIRN_CHECK_MSG(server.ok(), server.status().to_string());
  over_http(run, *engine, (*server)->port(), "one list of a cell",
            {"GET /v1/recommendations?cell=dr5rsj HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"});
  std::vector<std::string> posts;
  for (std::size_t user = 0; user < 2'000; ++user) posts.push_back(post_of(user));
  over_http(run, *engine, (*server)->port(), "of 2,000 users", posts);
}

}  // namespace cairn::bench
