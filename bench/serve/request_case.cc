// Whole requests in process, on one thread: a user's row is read, the best 20 of all candidates are found, reasons are
// written. Beside it, in the same run, what was done before there was a scan: every ranking feature of every candidate,
// for the same questions. Users have 5 to 500 visits in a city of 400 categories. The same with a model in force whose
// vectors have 64 dimensions; its scores weigh as much as they do by default.
//
// Then the profile alone, of a user with a full history of 512 visits.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/serve/cases.h"
#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "engine/ranking/user_profile.h"
#include "features/row.h"
#include "gpu/backend.h"
#include "storage/state_store.h"

namespace cairn::bench {
namespace {

constexpr GeoPoint kCenter{40.7, -74.0};
constexpr std::size_t kUsers = 2'000;
constexpr std::uint64_t kCategories = 400;
constexpr std::size_t kVectorDim = 64;
constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kDayMs = 86'400'000;
const EventTime kNow = event_time_from_ms(1'700'000'000'000);

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A dense city around kCenter with some months of visits. The larger, the wider: 40,000 places have 35,000 within 5
/// km.
struct City {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<ranking::Recommender> recommender;
  std::mt19937_64 random{kSeed};

  City(std::size_t places, std::size_t events) {
    state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
    import(places);
    RankingOptions options;
    options.radius_meters_max = 25'000'000;
    recommender = *ranking::Recommender::create(*state, options);
    visit(places, events);
  }

  void import(std::size_t count) {
    std::normal_distribution<double> offset(0.0, 0.022 * std::sqrt(static_cast<double>(count) / 40'000.0));
    std::vector<Place> places;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t category = (random() % kCategories) * (random() % kCategories) / kCategories;
      places.push_back({PlaceId("p" + std::to_string(i)),
                        "",
                        {kCenter.lat + offset(random), kCenter.lon + 1.3 * offset(random)},
                        "k" + std::to_string(category)});
    }
    CAIRN_CHECK(state->catalog().upsert(places).ok());
  }

  /// Some places are far more popular than others, and user 0 comes often.
  void visit(std::size_t places, std::size_t events) {
    const TypeIndex type = *state->types().find("visit");
    std::uniform_real_distribution<double> share(0.0, 1.0);
    std::vector<Interaction> batch;
    for (std::size_t i = 0; i < events; ++i) {
      const auto place = static_cast<std::size_t>(static_cast<double>(places) * std::pow(share(random), 3.0));
      const std::size_t user = i % (events / 512) == 0 ? 0 : 1 + random() % kUsers;
      const std::int64_t age = static_cast<std::int64_t>(events - i) * 30 * kDayMs / static_cast<std::int64_t>(events);
      batch.push_back({UserId("u" + std::to_string(user)),
                       PlaceId("p" + std::to_string(place)),
                       type,
                       kNow - std::chrono::milliseconds(age),
                       {},
                       {},
                       {}});
      if (batch.size() == 1000 || i + 1 == events) {
        CAIRN_CHECK(state->apply({"bench", batch, {}, 0}).ok());
        batch.clear();
      }
    }
  }
};

/// Puts a model in force that knows every place, of vectors that are drawn at random.
void serve_vectors(City& city, std::size_t places) {
  std::normal_distribution<float> number(0.0F, 0.1F);
  model::Model model;
  model::Component vectors{.name = "vectors", .kind = model::ComponentKind::kEmbedding, .dim = kVectorDim};
  for (std::size_t i = 0; i < places; ++i) model.items.push_back("p" + std::to_string(i));
  for (std::size_t i = 0; i < places * kVectorDim; ++i) vectors.item_vectors.push_back(number(city.random));
  model.popularity.assign(places, 0.0F);
  model.components.push_back(std::move(vectors));
  std::string folder = (std::filesystem::temp_directory_path() / "cairn-bench-XXXXXX").string();
  CAIRN_CHECK(::mkdtemp(folder.data()) != nullptr);
  CAIRN_CHECK(model::save_model(model, folder).ok());
  const auto backend = gpu::make_cpu_backend({.threads = 1});
  auto served = model::ServedModel::load(folder, **backend, kNow);
  std::filesystem::remove_all(folder);
  CAIRN_CHECK_MSG(served.ok(), served.status().to_string());
  city.recommender->serve_model(*std::move(served));
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
    const auto answer = city.recommender->recommend(
        CallContext(),
        {.user = UserId("u" + std::to_string(user++ % 50)), .position = kCenter, .radius_meters = shape.radius_meters},
        kNow);
    CAIRN_CHECK(answer.ok() && answer->items.size() == 20);
    candidates = answer->candidates;
  };
  const auto score_all = [&] {
    const auto scored =
        city.recommender->score(UserId("u" + std::to_string(user++ % 50)), kCenter, kNow, 0.0, shape.radius_meters);
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
    places =
        ranking::read_user_profile(city.state->schema(), row->row.get(), *index, ranking::default_ranker().habit, kNow)
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
  serve_vectors(city, city_shape.places);
  requests(run, city_shape, " vectors=64", city);
  if (run.options.quick) return;
  const Shape large{1'000'000, 20'100'000.0, "n=1000000 everywhere"};
  City country(large.places, 200'000);
  requests(run, large, "", country);
  serve_vectors(country, large.places);
  requests(run, large, " vectors=64", country);
}

}  // namespace cairn::bench
