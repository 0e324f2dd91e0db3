// What the HTTP server takes beside its engine: answers a second over 32 connections that are kept, one socket thread,
// beside a bare Boost.Beast responder with the same body, in turn, in the same process. /healthz is answered from
// nothing; a place is looked up. One client thread asks; on a machine of two cores it takes one of them.
//
// Then recommendations over 16 connections, computed each time: 40,000 places of a dense city, those within 5 km, by
// the ranker that ships with Cairn and by weighted sums alone.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/serve/bare_responder.h"
#include "bench/serve/cases.h"
#include "bench/serve/closed_loop.h"
#include "bench/serve/measure.h"
#include "cairn/engine.h"
#include "engine/serving/http_server.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kConnections = 32;
constexpr std::size_t kAskingConnections = 16;
constexpr std::size_t kCityPlaces = 40'000;
constexpr std::uint64_t kSeed = 1;

std::unique_ptr<Engine> open_engine(const std::string& folder, EngineOptions options) {
  options.state_dir = folder + "/state";
  options.state.free_bytes_min = 0;
  auto engine = Engine::open(std::move(options));
  CAIRN_CHECK_MSG(engine.ok(), engine.status().to_string());
  return *std::move(engine);
}

std::unique_ptr<Engine> open_small_engine(const std::string& folder) {
  auto engine = open_engine(folder, {});
  std::vector<Place> places;
  for (int i = 0; i < 1000; ++i) {
    places.push_back(
        {PlaceId("place-" + std::to_string(i)), "Caffè " + std::to_string(i), {45.0 + 0.001 * i, 9.0}, "cafe"});
  }
  CAIRN_CHECK(engine->upsert_places(CallContext(), places).ok());
  return engine;
}

/// A dense city, of whose places 33,000 are within 5 km of its centre, and a user with 300 visits.
void fill_city(Engine& engine) {
  std::mt19937_64 random(kSeed);
  std::normal_distribution<double> offset(0.0, 0.022);
  std::vector<Place> places;
  for (std::size_t i = 0; i < kCityPlaces; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)),
                      "",
                      {40.7 + offset(random), -74.0 + 1.3 * offset(random)},
                      "k" + std::to_string(random() % 400)});
  }
  CAIRN_CHECK(engine.upsert_places(CallContext(), places).ok());
  std::vector<std::string> events;
  for (int i = 0; i < 20'000; ++i) {
    const std::string user = i < 300 ? "u" : std::to_string(random() % 2'000);
    events.push_back(R"({"type":"visit","user_id":")" + user + R"(","place_id":"p)" +
                     std::to_string(random() % 2 == 0 ? random() % 400 : random() % kCityPlaces) +
                     R"(","ts":"2026-10-)" + std::to_string(10 + random() % 20) + R"(T12:00:00Z"})");
  }
  for (std::size_t first = 0; first < events.size(); first += 1000) {
    const std::vector<std::string_view> part(events.begin() + static_cast<std::ptrdiff_t>(first),
                                             events.begin() + static_cast<std::ptrdiff_t>(first + 1000));
    const auto ack = engine.ingest(CallContext(), part);
    CAIRN_CHECK_MSG(ack.ok(), ack.status().to_string());
  }
  CAIRN_CHECK(engine.wait_caught_up(CallContext()).ok());
}

void compare(ServeRun& run, std::uint16_t port, const std::string& name, const std::string& request,
             std::size_t connections) {
  ClosedLoop ours(port, request, connections);
  ours.rate(0.2);
  const BareResponder bare(ours.body());
  ClosedLoop theirs(bare.port(), request, connections);
  theirs.rate(0.2);
  std::vector<double> our_rates;
  std::vector<double> their_rates;
  for (std::size_t round = run.rounds(15); round > 0; --round) {
    our_rates.push_back(ours.rate(run.options.quick ? 0.2 : 0.5));
    their_rates.push_back(theirs.rate(run.options.quick ? 0.2 : 0.5));
  }
  run.report.add({.name = "http " + name + " connections=" + std::to_string(connections),
                  .unit = "answers/s",
                  .better = Better::kMore,
                  .value = median(our_rates),
                  .peer = Peer{"bare Boost.Beast responder", median(their_rates)}});
}

void get(ServeRun& run, std::uint16_t port, const std::string& path) {
  compare(run, port, "GET " + path, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", kConnections);
}

std::unique_ptr<serving::HttpServer> serve(Engine& engine) {
  HttpOptions options;
  options.port = 0;
  auto server = serving::HttpServer::start(options, engine);
  CAIRN_CHECK_MSG(server.ok(), server.status().to_string());
  return *std::move(server);
}

void recommendations(ServeRun& run, const std::string& name, EngineOptions options) {
  const test::TemporaryFolder folder;
  const auto engine = open_engine(folder.path(), std::move(options));
  fill_city(*engine);
  const auto server = serve(*engine);
  const std::string body = R"({"user_id":"u","lat":40.7,"lon":-74.0,"radius_meters":5000})";
  const std::string request =
      "POST /v1/recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  compare(run, server->port(), name, request, kAskingConnections);
}

}  // namespace

void http_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  const auto engine = open_small_engine(folder.path());
  const auto server = serve(*engine);
  get(run, server->port(), "/healthz");
  get(run, server->port(), "/v1/places/place-7");
}

void recommendations_case(ServeRun& run) {
  recommendations(run, "recommendations, shipped ranker, n=40000 radius=5km", {});
  EngineOptions sums;
  sums.ranking.weights = {{"distance", -1.0}, {"popularity", 0.5}};
  sums.ranking.default_weights = false;
  recommendations(run, "recommendations, weighted sums, n=40000 radius=5km", std::move(sums));
}

}  // namespace cairn::bench
