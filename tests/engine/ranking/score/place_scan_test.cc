#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "gpu/backend.h"
#include "tests/engine/ranking/linear_weights.h"
#include "tests/support/environment_number.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::Recommender;

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kStart = 1'700'000'000'000;

/// A made-up city and what happens in it. Recommender::score() computes every feature of every place within a radius,
/// and is the judge of what recommend() finds with its scan.
class City {
 public:
  City(std::uint64_t seed, GeoPoint center, double degrees, int places, std::map<std::string, double> weights,
       std::vector<FeatureViewSpec> views = {}, std::vector<RankingFeatureSpec> features = {})
      : random_(seed), center_(center), degrees_(degrees) {
    options_.features = std::move(features);
    std::vector<FeatureViewSpec> all = ranking::builtin_views();
    all.insert(all.end(), views.begin(), views.end());
    options_.weights = std::move(weights);
    options_.default_weights = false;
    options_.radius_meters_max = 25'000'000;
    state_ = *state::FeatureState::open(*store_, {.views = all}, InteractionTypes());
    import(places);
    recommender_ = *Recommender::create(*state_, options_);
  }

  void import(int count) {
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      // One in twenty stands where another does: equal scores, which distance and id have to settle.
      GeoPoint position = !places.empty() && random_() % 20 == 0 ? places.back().position : somewhere();
      const std::string id = "p" + std::to_string(positions_.size());
      const std::string category = random_() % 10 == 0 ? "" : "kind" + std::to_string(random_() % 12);
      positions_.push_back(position);
      categories_.push_back(category);
      places.push_back({PlaceId(id), id, position, category});
    }
    REQUIRE(state_->catalog().upsert(places).ok());
    if (recommender_) recommender_->refresh_index();
  }

  void happen(int events) {
    static constexpr const char* kTypes[] = {"visit", "visit", "visit", "view", "click", "save", "dismiss", "rate"};
    for (int i = 0; i < events; ++i) {
      now_ += static_cast<std::int64_t>(random_() % 600'000);
      const std::size_t place = std::min(random_() % positions_.size(), random_() % positions_.size());
      const std::string user = "u" + std::to_string(random_() % 5);
      const std::string type = kTypes[random_() % std::size(kTypes)];
      const std::string id = "p" + std::to_string(place);
      if (type == "visit" || type == "rate") seen_[user].insert(id);
      const std::optional<double> value = type == "rate" ? std::optional(1.0 + random_() % 5) : std::nullopt;
      const Interaction one{UserId(user), PlaceId(id), *state_->types().find(type), event_time_from_ms(now_), value,
                            {},           {}};
      REQUIRE(state_->apply({"test", {&one, 1}, {}, 0}).ok());
    }
  }

  /// Serves a model that knows some of the places, and some that are none: one of vectors, or a blend of them and
  /// popularity.
  void serve_model(bool blend) {
    std::normal_distribution<float> number(0.0F, 1.0F);
    model::Model model;
    for (std::size_t i = 0; i < positions_.size() + 20; ++i) {
      if (random_() % 5 != 0) model.items.push_back("p" + std::to_string(i));
    }
    model::Component vectors{.name = "vectors", .kind = model::ComponentKind::kEmbedding, .dim = 8};
    for (std::size_t i = 0; i < model.items.size() * vectors.dim; ++i) vectors.item_vectors.push_back(number(random_));
    for (std::size_t i = 0; i < model.items.size(); ++i) model.popularity.push_back(std::abs(number(random_)));
    model.components.push_back(vectors);
    if (blend) {
      model.components[0].normalization = model::Normalization::kDeviation;
      model.components.push_back({.name = "popular", .kind = model::ComponentKind::kPopularity, .weight = 0.25F});
    }
    const std::string folder = scratch_ / "model";
    REQUIRE(model::save_model(model, folder).ok());
    const auto backend = gpu::make_cpu_backend({.threads = 1});
    auto served = model::ServedModel::load(folder, **backend, EventTime{});
    REQUIRE_MESSAGE(served.ok(), served.status().to_string());
    recommender_->serve_model(*std::move(served));
  }

  /// Asks something and compares the answer with what scoring every place gives.
  void check_one_question() {
    static constexpr double kRadii[] = {0.004, 0.05, 50.0, 700.0, 5'000.0, 100'000.0, 9'000'000.0, 20'100'000.0};
    RecommendRequest request{.user = UserId("u" + std::to_string(random_() % 6)), .position = somewhere()};
    request.limit = 1 + random_() % 60;
    request.radius_meters = kRadii[random_() % std::size(kRadii)];
    if (random_() % 4 == 0) request.position = positions_[random_() % positions_.size()];
    // Mostly now, else another hour: one that is over, or days away.
    std::int64_t time = now_;
    if (random_() % 3 == 0) time += (static_cast<std::int64_t>(random_() % 200) - 100) * kHour / 2;
    request.time = event_time_from_ms(time);
    const double age_hours = random_() % 2 == 0 ? 0.0 : static_cast<double>(random_() % 30);
    request.position_time = *request.time - std::chrono::hours(static_cast<int>(age_hours));
    request.exclude_seen = random_() % 3 == 0;
    for (std::uint64_t i = random_() % 3; i > 0; --i) {
      request.categories.push_back("kind" + std::to_string(random_() % 13));
    }
    request.explain = false;
    compare(request, age_hours);
  }

 private:
  GeoPoint somewhere() {
    std::uniform_real_distribution<double> offset(-degrees_, degrees_);
    const double lat = std::clamp(center_.lat + offset(random_), -90.0, 90.0);
    double lon = center_.lon + offset(random_);
    if (lon > 180.0) lon -= 360.0;
    if (lon < -180.0) lon += 360.0;
    return {lat, lon};
  }

  void compare(const RecommendRequest& request, double age_hours) {
    struct Expected {
      float score;
      float meters;
      std::string id;
    };
    std::vector<Expected> expected;
    const auto scored =
        recommender_->score(request.user, *request.position, *request.time, age_hours, *request.radius_meters);
    REQUIRE(scored.ok());
    const std::set<std::string> wanted(request.categories.begin(), request.categories.end());
    for (std::size_t i = 0; i < scored->candidates.size(); ++i) {
      const Place& place = scored->index->place(scored->candidates[i].row);
      if (!wanted.empty() && !wanted.contains(place.category)) continue;
      if (request.exclude_seen && seen_[request.user.str()].contains(place.id.str())) continue;
      expected.push_back({scored->scores[i], scored->candidates[i].meters, place.id.str()});
    }
    std::sort(expected.begin(), expected.end(), [](const Expected& a, const Expected& b) {
      return std::tuple(-a.score, a.meters, a.id) < std::tuple(-b.score, b.meters, b.id);
    });
    const auto answer = recommender_->recommend(CallContext(), request, event_time_from_ms(now_));
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    CHECK(answer->candidates == expected.size());
    REQUIRE(answer->items.size() == std::min(expected.size(), request.limit));
    for (std::size_t i = 0; i < answer->items.size(); ++i) {
      REQUIRE(answer->items[i].place.id.str() == expected[i].id);
      REQUIRE(answer->items[i].score == static_cast<double>(expected[i].score));
    }
  }

  test::TemporaryFolder scratch_;
  std::mt19937_64 random_;
  const GeoPoint center_;
  const double degrees_;
  std::unique_ptr<storage::StateStore> store_ = storage::open_memory_store(features::merge_encoded_rows);
  RankingOptions options_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<Recommender> recommender_;
  std::vector<GeoPoint> positions_;
  std::vector<std::string> categories_;
  std::map<std::string, std::set<std::string>> seen_;
  std::int64_t now_ = kStart;
};

/// Questions between events and imports, so that columns are patched, made anew and made for several hours.
void ask_and_let_happen(City& city, int rounds) {
  city.check_one_question();  // before anything has happened
  for (int round = 0; round < rounds; ++round) {
    city.happen(round < 3 ? 2 : 40);
    for (int i = 0; i < 6; ++i) city.check_one_question();
    if (round % 8 == 7) city.import(30);
  }
}

constexpr GeoPoint kCenters[] = {{40.7, -74.0}, {-16.8, 179.99}, {89.9, 30.0}, {-90.0, 0.0}, {0.0, 0.0}};

TEST_CASE("the best places are those that scoring every place finds, with the weights that ship") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 12);
  INFO("CAIRN_TEST_SEED=", seed);
  for (const GeoPoint center : kCenters) {
    CAPTURE(center.lat);
    City city(seed, center, 0.2, 900, ranking::test::linear_weights());
    ask_and_let_happen(city, 16);
  }
}

TEST_CASE("the best places are those that scoring every place finds, over the whole earth") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 13);
  INFO("CAIRN_TEST_SEED=", seed);
  City city(seed, {0.0, 0.0}, 180.0, 900, ranking::test::linear_weights());
  ask_and_let_happen(city, 16);
}

TEST_CASE("the best places are those that scoring every place finds, whatever is weighed") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 14);
  INFO("CAIRN_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> weight(-2.0, 2.0);
  for (int turn = 0; turn < 12; ++turn) {
    std::map<std::string, double> weights;
    for (const RankingFeatureInfo& feature : ranking::ranking_features()) {
      // Sometimes a few, sometimes nearly all, and now and then one that outweighs the rest.
      if (random() % 3 != 0) weights[feature.name] = weight(random) * (random() % 10 == 0 ? 1e4 : 1.0);
    }
    if (weights.empty()) weights["near"] = 1.0;
    City city(seed + turn, kCenters[turn % std::size(kCenters)], 0.05, 400, weights);
    ask_and_let_happen(city, 6);
  }
}

TEST_CASE("places of which nothing tells one from another are settled by distance and id, also by a scan") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 15);
  INFO("CAIRN_TEST_SEED=", seed);
  for (const char* feature : {"rating", "popularity", "category_hour", "cell_affinity_new", "visited"}) {
    CAPTURE(feature);
    City city(seed, {40.7, -74.0}, 0.02, 3000, {{feature, 1.0}});
    ask_and_let_happen(city, 4);
  }
}

TEST_CASE("the best places are those that scoring every place finds, with a model in force") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 16);
  INFO("CAIRN_TEST_SEED=", seed);
  for (const bool blend : {false, true}) {
    for (const bool alone : {false, true}) {
      std::map<std::string, double> weights = {{"model", 1.0}};
      if (!alone)
        weights = {
            {"model", 0.7}, {"distance", -1.0}, {"habit", 1.0}, {"hour_popularity", 0.5}, {"cell_affinity_new", 0.3}};
      City city(seed, {40.7, -74.0}, 0.05, 500, weights);
      city.serve_model(blend);
      ask_and_let_happen(city, 8);
      city.serve_model(!blend);
      ask_and_let_happen(city, 8);
    }
  }
}

/// A view of everything that a feature can read, by aggregates of each kind.
std::vector<FeatureViewSpec> own_views() {
  const std::vector<EventWeight> looks = {{"view", "1"}, {"click", "3"}, {"save", "value + 2"}, {"rate", "value - 3"}};
  const auto make = [&](const char* name, EntityKind entity, Dimension dimension, Aggregate aggregate, int letters) {
    FeatureViewSpec view;
    view.name = name;
    view.entity = entity;
    view.dimension = dimension;
    view.aggregate = aggregate;
    view.events = looks;
    view.cell_precision = letters;
    if (aggregate == Aggregate::kDecayedSum) view.half_life = std::chrono::hours(5);
    return view;
  };
  std::vector<FeatureViewSpec> views = {
      make("place_looks", EntityKind::kPlace, Dimension::kNone, Aggregate::kDecayedSum, 6),
      make("place_least", EntityKind::kPlace, Dimension::kNone, Aggregate::kMin, 6),
      make("place_types", EntityKind::kPlace, Dimension::kType, Aggregate::kCount, 6),
      make("cell_looks", EntityKind::kCell, Dimension::kNone, Aggregate::kSum, 5),
      make("cell_fine", EntityKind::kCell, Dimension::kType, Aggregate::kDecayedSum, 8),
      make("user_places", EntityKind::kUser, Dimension::kPlace, Aggregate::kDecayedSum, 6),
      make("user_kinds", EntityKind::kUser, Dimension::kCategory, Aggregate::kMean, 6),
      make("user_cells", EntityKind::kUser, Dimension::kCell, Aggregate::kCount, 7),
      make("user_town", EntityKind::kUser, Dimension::kCell, Aggregate::kSum, 4),
  };
  views[0].ttl = std::chrono::hours(30);
  return views;
}

std::vector<RankingFeatureSpec> own_features(std::mt19937_64& random) {
  std::uniform_real_distribution<double> weight(-2.0, 2.0);
  const auto any = [&] { return static_cast<ValueTransform>(random() % 4); };
  std::vector<RankingFeatureSpec> features;
  for (const FeatureViewSpec& view : own_views()) {
    if (random() % 4 == 0) continue;
    RankingFeatureSpec one{.name = "own_" + view.name, .view = view.name, .transform = any(), .weight = weight(random)};
    if (view.dimension == Dimension::kType) one.key = random() % 2 == 0 ? "view" : "rate";
    if (random() % 10 == 0) one.weight *= 1e4;
    features.push_back(one);
  }
  return features;
}

TEST_CASE("the best places are those that scoring every place finds, with features of a deployment's own") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 17);
  INFO("CAIRN_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  for (int turn = 0; turn < 12; ++turn) {
    CAPTURE(turn);
    std::map<std::string, double> weights;
    if (turn % 3 == 0) weights = ranking::test::linear_weights();
    if (turn % 3 == 1) weights = {{"near", 0.5}, {"cell_affinity_new", 0.3}, {"hour_popularity", 0.4}};
    City city(seed + static_cast<std::uint64_t>(turn), kCenters[turn % std::size(kCenters)], 0.05, 400, weights,
              own_views(), own_features(random));
    ask_and_let_happen(city, 6);
  }
}

}  // namespace
