// Many questions that are scanned together: each has what it would have alone.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/cache/answer_codec.h"
#include "engine/cache/bytes.h"
#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/engine/model/made_up.h"
#include "tests/engine/ranking/linear_weights.h"
#include "tests/support/environment_number.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::Recommender;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kCenter{40.7, -74.0};
constexpr std::size_t kDim = 6;

/// A town with a model of fold-in vectors in force, in which users have been about.
class Town {
 public:
  Town(std::uint64_t seed, std::map<std::string, double> weights) : random_(seed) {
    RankingOptions options;
    options.weights = std::move(weights);
    options.radius_meters_max = 25'000'000;
    import(700);
    recommender_ = *Recommender::create(*state_, options);
    for (int i = 0; i < 500; ++i) happen();
    serve_vectors();
  }

  void import(int count) {
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      const std::string id = "p" + std::to_string(places_++);
      places.push_back({PlaceId(id), id, near_center(), "kind" + std::to_string(random_() % 12)});
    }
    REQUIRE(state_->catalog().upsert(places).ok());
    if (recommender_) recommender_->refresh_index();
  }

  void happen() {
    static constexpr const char* kTypes[] = {"visit", "visit", "view", "click", "save", "dismiss"};
    const Interaction one{UserId("u" + std::to_string(random_() % 8)),
                          PlaceId("p" + std::to_string(random_() % places_)),
                          *state_->types().find(kTypes[random_() % std::size(kTypes)]),
                          kNow - std::chrono::minutes(random_() % 40'000),
                          {},
                          {},
                          {}};
    REQUIRE(state_->apply({"test", {&one, 1}, {}, 0}).ok());
  }

  /// Some make no sense.
  RecommendRequest some_request() {
    static constexpr double kRadii[] = {0.004, 300.0, 2'000.0, 50'000.0, 20'100'000.0};
    RecommendRequest request{.user = UserId("u" + std::to_string(random_() % 10)), .position = near_center()};
    request.time = kNow + std::chrono::hours(random_() % 4 == 0 ? random_() % 50 : 0);
    request.limit = 1 + random_() % 40;
    request.radius_meters = kRadii[random_() % std::size(kRadii)];
    request.exclude_seen = random_() % 3 == 0;
    request.explain = random_() % 2 == 0;
    for (std::uint64_t i = random_() % 3; i > 0; --i)
      request.categories.push_back("kind" + std::to_string(random_() % 13));
    for (std::uint64_t i = random_() % 3; i > 0; --i)
      request.exclude.emplace_back("p" + std::to_string(random_() % 700));
    if (random_() % 6 == 0) {
      for (int i = 0; i < 30; ++i) request.rank.emplace_back("p" + std::to_string(random_() % 700));
    }
    if (random_() % 4 == 0) request.recent.emplace_back("p" + std::to_string(random_() % 700));
    if (random_() % 4 == 0) request.max_per_category = 1 + random_() % 3;
    if (random_() % 4 == 0) request.diversity = 0.5;
    if (random_() % 4 == 0) request.explore = Explore{.method = ExploreMethod::kUcb, .strength = 2.0};
    if (random_() % 6 == 0) request.explore = Explore{.method = ExploreMethod::kThompson, .seed = random_() % 100};
    switch (random_() % 12) {
      case 0:
        request.limit = 0;
        break;
      case 1:
        request.position.reset(), request.user = UserId("nobody");
        break;
      case 2:
        request.cursor = "not a cursor";
        break;
      case 3:
        request.segment = 7;
        break;  // the model has none
      default:
        break;
    }
    return request;
  }

  Recommender& recommender() { return *recommender_; }
  std::mt19937_64& random() { return random_; }

 private:
  GeoPoint near_center() {
    std::uniform_real_distribution<double> offset(-0.05, 0.05);
    const double north = offset(random_);
    return {kCenter.lat + north, kCenter.lon + offset(random_)};
  }

  void serve_vectors() {
    model::Model made;
    for (std::size_t i = 0; i < 720; ++i) {
      if (i % 7 != 3) made.items.push_back("p" + std::to_string(i));
    }
    made.popularity = model_test::normal_matrix(made.items.size(), 1, 5);
    model::Component component{.name = "v", .kind = model::ComponentKind::kFoldIn, .dim = kDim};
    component.item_vectors = model_test::normal_matrix(made.items.size(), kDim, 7);
    component.fold_in = {.unobserved_weight = 0.05F, .regularization = 0.1F, .frequency_exponent = 0.5F};
    made.components.push_back(std::move(component));
    REQUIRE(model::save_model(made, scratch_ / "m").ok());
    const auto backend = gpu::make_cpu_backend({.threads = 1});
    auto served = model::ServedModel::load(scratch_ / "m", **backend, EventTime{});
    REQUIRE_MESSAGE(served.ok(), served.status().to_string());
    recommender_->serve_model(*std::move(served));
  }

  test::TemporaryFolder scratch_;
  std::mt19937_64 random_;
  std::size_t places_ = 0;
  std::unique_ptr<storage::StateStore> store_ = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state_ =
      *state::FeatureState::open(*store_, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<Recommender> recommender_;
};

/// All bits of an answer but where the user's row came from, or what it failed with.
std::string bits_of(Result<Recommendations> answer) {
  if (!answer.ok()) return answer.status().to_string();
  answer->freshness.tier = Tier::kNone;
  cache::ByteWriter out;
  cache::write_answer(*answer, &out);
  return std::move(out).take();
}

struct Batch {
  std::vector<std::string> expected;  // alone
  std::vector<Result<std::shared_ptr<Recommender::Asked>>> asked;

  void add(Town& town) {
    const RecommendRequest request = town.some_request();
    expected.push_back(bits_of(town.recommender().recommend(CallContext(), request, kNow)));
    asked.push_back(town.recommender().read(CallContext(), request, kNow));
  }
  void check(const Recommender& recommender) {
    std::vector<Recommender::Asked*> good;
    for (const auto& one : asked) {
      if (one.ok()) good.push_back(one->get());
    }
    const Recommender::Sitting sitting(recommender, good);
    std::vector<std::string> answers(asked.size());
    const auto answer_every_third = [&](std::size_t first) {
      for (std::size_t i = first; i < asked.size(); i += 3) {
        answers[i] = asked[i].ok() ? bits_of(sitting.answer(CallContext(), **asked[i])) : asked[i].status().to_string();
      }
    };
    {
      const std::jthread second([&] { answer_every_third(1); });
      const std::jthread third([&] { answer_every_third(2); });
      answer_every_third(0);
    }
    for (std::size_t i = 0; i < asked.size(); ++i) {
      CAPTURE(i);
      CHECK(answers[i] == expected[i]);
    }
  }
};

void ask_in_batches(Town& town, int rounds) {
  static constexpr std::size_t kSizes[] = {0, 1, 2, 3, 17, 64};
  for (int round = 0; round < rounds; ++round) {
    Batch batch;
    for (std::size_t i = 0; i < kSizes[round % std::size(kSizes)]; ++i) batch.add(town);
    if (round % 5 == 4) {
      // An import stands between them: those from before it see the places that were there then.
      town.import(20);
      for (int i = 0; i < 5; ++i) batch.add(town);
    }
    batch.check(town.recommender());
    for (int i = 0; i < 3; ++i) town.happen();
  }
}

TEST_CASE("questions that are scanned together have the answers that each would have alone, bit for bit") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 21);
  INFO("CAIRN_TEST_SEED=", seed);
  for (const bool network : {true, false}) {
    CAPTURE(network);
    // Without named weights the ranker that ships scores, with its network.
    auto weights = ranking::test::linear_weights();
    weights["model"] = 0.5;
    Town town(seed, network ? std::map<std::string, double>{} : weights);
    ask_in_batches(town, 18);
  }
}

TEST_CASE("a question that is cancelled in a batch fails alone") {
  Town town(3, {});
  const RecommendRequest request{.user = UserId("u1"), .position = kCenter};
  const std::string expected = bits_of(town.recommender().recommend(CallContext(), request, kNow));
  std::stop_source source;
  CallContext cancelled;
  cancelled.cancelled = source.get_token();
  const auto one = town.recommender().read(cancelled, request, kNow);
  const auto two = town.recommender().read(CallContext(), request, kNow);
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  source.request_stop();
  Recommender::Asked* const both[] = {one->get(), two->get()};
  const Recommender::Sitting sitting(town.recommender(), both);
  CHECK(sitting.answer(cancelled, **one).status().code() == StatusCode::kCancelled);
  CHECK(bits_of(sitting.answer(CallContext(), **two)) == expected);
}

}  // namespace
