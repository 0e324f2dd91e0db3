// Whole requests in process, on one thread: a user's row is read, the best 20 of all candidates are found, reasons are
// written. Beside it, in the same run, what was done before there was a scan: every ranking feature of every candidate,
// for the same questions. Users have 5 to 500 visits in a city of 400 categories. The same with a model in force whose
// vectors have 64 dimensions; its scores weigh as much as they do by default.
//
// Then the profile alone, of a user with a full history of 512 visits.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/city.h"
#include "bench/serve/measure.h"
#include "engine/ranking/recommender.h"
#include "engine/ranking/user_profile.h"

namespace cairn::bench {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Shape {
  std::size_t places;
  double radius_meters;
  const char* name;
};

void requests(ServeRun& run, const Shape& shape, std::string_view with, City& city) {
  std::size_t user = 0;
  std::size_t candidates = 0;
  const auto ask = [&] {
    const auto answer = city.recommender->recommend(CallContext(),
                                                    {.user = UserId("u" + std::to_string(user++ % 50)),
                                                     .position = kCityCenter,
                                                     .radius_meters = shape.radius_meters},
                                                    kCityNow);
    CAIRN_CHECK(answer.ok() && answer->items.size() == 20);
    candidates = answer->candidates;
  };
  const auto score_all = [&] {
    const auto scored = city.recommender->score(UserId("u" + std::to_string(user++ % 50)), kCityCenter, kCityNow, 0.0,
                                                shape.radius_meters);
    CAIRN_CHECK(scored.ok());
  };
  ask();
  score_all();
  std::vector<double> ours;
  std::vector<double> theirs;
  for (std::size_t round = run.rounds(15); round > 0; --round) {
    for (int i = 0; i < 20; ++i) ours.push_back(seconds_of(ask));
    theirs.push_back(seconds_of(score_all));
  }
  run.report.add(
      {.name = "request " + std::string(shape.name) + std::string(with) + " candidates=" + std::to_string(candidates),
       .unit = "us",
       .better = Better::kLess,
       .value = median(ours) * 1e6,
       .peer = Peer{"every feature of every candidate", median(theirs) * 1e6}});
}

void profile(ServeRun& run, City& city) {
  const auto row = city.state->row(EntityKind::kUser, "u0");
  const auto index = city.recommender->index();
  std::size_t places = 0;
  const auto read = [&] {
    places = ranking::read_user_profile(city.state->schema(), row->row.get(), *index, ranking::default_ranker().habit,
                                        kCityNow)
                 .visited.size();
  };
  std::vector<double> seconds;
  for (std::size_t i = run.rounds(15) * 100; i > 0; --i) seconds.push_back(seconds_of(read));
  run.report.add({.name = "profile of 512 visits to " + std::to_string(places) + " places",
                  .unit = "us",
                  .better = Better::kLess,
                  .value = median(seconds) * 1e6});
}

}  // namespace

void request_case(ServeRun& run) {
  const Shape city_shape{40'000, 5'000.0, "n=40000 radius=5km"};
  City city(city_shape.places, 200'000);
  requests(run, city_shape, "", city);
  profile(run, city);
  city.serve_vectors(city_shape.places);
  requests(run, city_shape, " vectors=64", city);
  if (run.options.quick) return;
  const Shape large{1'000'000, 20'100'000.0, "n=1000000 everywhere"};
  City country(large.places, 200'000);
  requests(run, large, "", country);
  country.serve_vectors(large.places);
  requests(run, large, " vectors=64", country);
}

}  // namespace cairn::bench
