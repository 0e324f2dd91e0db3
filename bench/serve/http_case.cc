// What the HTTP server takes beside its engine: answers a second over 32 connections that are kept, one socket thread,
// beside a bare Boost.Beast responder with the same body, in turn, in the same process. /healthz is answered from
// nothing; a place is looked up. One client thread asks; on a machine of two cores it takes one of them.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/serve/bare_responder.h"
#include "bench/serve/cases.h"
#include "bench/serve/closed_loop.h"
#include "cairn/engine.h"
#include "engine/serving/http_server.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kConnections = 32;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::unique_ptr<Engine> open_engine(const std::string& folder) {
  EngineOptions options;
  options.state_dir = folder + "/state";
  options.state.free_bytes_min = 0;
  auto engine = Engine::open(std::move(options));
  CAIRN_CHECK_MSG(engine.ok(), engine.status().to_string());
  std::vector<Place> places;
  for (int i = 0; i < 1000; ++i) {
    places.push_back(
        {PlaceId("place-" + std::to_string(i)), "Caffè " + std::to_string(i), {45.0 + 0.001 * i, 9.0}, "cafe"});
  }
  CAIRN_CHECK((*engine)->upsert_places(CallContext(), places).ok());
  return *std::move(engine);
}

void compare(ServeRun& run, std::uint16_t port, const std::string& path) {
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  ClosedLoop ours(port, request, kConnections);
  ours.rate(0.2);
  const BareResponder bare(ours.body());
  ClosedLoop theirs(bare.port(), request, kConnections);
  theirs.rate(0.2);
  std::vector<double> our_rates;
  std::vector<double> their_rates;
  for (std::size_t round = run.rounds(15); round > 0; --round) {
    our_rates.push_back(ours.rate(run.options.quick ? 0.2 : 0.5));
    their_rates.push_back(theirs.rate(run.options.quick ? 0.2 : 0.5));
  }
  run.report.add({.name = "http GET " + path + " connections=" + std::to_string(kConnections),
                  .unit = "answers/s",
                  .better = Better::kMore,
                  .value = median(our_rates),
                  .peer = Peer{"bare Boost.Beast responder", median(their_rates)}});
}

}  // namespace

void http_case(ServeRun& run) {
  const test::TemporaryFolder folder;
  const auto engine = open_engine(folder.path());
  HttpOptions options;
  options.port = 0;
  const auto server = serving::HttpServer::start(options, *engine);
  CAIRN_CHECK_MSG(server.ok(), server.status().to_string());
  compare(run, (*server)->port(), "/healthz");
  compare(run, (*server)->port(), "/v1/places/place-7");
}

}  // namespace cairn::bench
