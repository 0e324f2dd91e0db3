#include "engine/ranking/score/second_stage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "cairn/call_context.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/recommender.h"
#include "engine/ranking/score/network_inputs.h"
#include "engine/ranking/score/ranking_features.h"
#include "features/row.h"
#include "tests/engine/ranking/drawn_network.h"
#include "tests/support/environment_number.h"

namespace {

using namespace cairn;
using ranking::NetworkNumbers;
using ranking::RankerNetwork;
using ranking::Recommender;
using ranking::SecondStage;
using ranking::test::drawn_network;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);
constexpr GeoPoint kHere{40.7, -74.0};

/// A town of random places, and users who went about it.
struct Town {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state;

  explicit Town(std::uint64_t seed, std::size_t count = 400) {
    state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> off(-0.1, 0.1);
    std::vector<Place> places;
    for (std::size_t i = 0; i < count; ++i) {
      places.push_back({PlaceId("p" + std::to_string(i)),
                        "",
                        {kHere.lat + off(random), kHere.lon + off(random)},
                        i % 3 == 0 ? "" : "c" + std::to_string(i % 7)});
    }
    REQUIRE(state->catalog().upsert(places).ok());
    std::vector<Interaction> visits;
    for (int i = 0; i < 3000; ++i) {
      const auto user = "u" + std::to_string(random() % 9);
      const auto place = static_cast<std::size_t>(std::pow(static_cast<double>(random() % 1000) / 1000.0, 3.0) *
                                                  static_cast<double>(count));
      visits.push_back({UserId(user),
                        PlaceId("p" + std::to_string(place)),
                        TypeIndex{2},
                        kNow - std::chrono::minutes(40 * (3000 - i)),
                        {},
                        {},
                        {}});
    }
    REQUIRE(state->apply({"test", visits, {}, 0}).ok());
  }

  [[nodiscard]] std::unique_ptr<Recommender> recommender(std::optional<RankerNetwork> network,
                                                         std::map<std::string, double> weights = {}) {
    ranking::RankerModel ranker = ranking::default_ranker();
    ranker.network = std::move(network);
    RankingOptions options;
    options.weights = std::move(weights);
    options.default_weights = options.weights.empty();
    return *Recommender::create(*state, options, std::move(ranker));
  }
};

std::vector<double> run(const NetworkNumbers& numbers, std::vector<double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double scaled = (values[i] - static_cast<double>(numbers.mean[i])) * static_cast<double>(numbers.scale[i]);
    values[i] = std::clamp(scaled, -5.0, 5.0);
  }
  for (std::size_t l = 0; l < numbers.layers.size(); ++l) {
    const NetworkNumbers::Layer& layer = numbers.layers[l];
    std::vector<double> next;
    for (std::size_t o = 0; o < layer.outputs; ++o) {
      double sum = static_cast<double>(layer.biases[o]);
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        sum += static_cast<double>(layer.weights[o * layer.inputs + i]) * values[i];
      }
      next.push_back(l + 1 < numbers.layers.size() ? std::max(0.0, sum) : sum);
    }
    values = std::move(next);
  }
  return values;
}

/// What format.md says of a member, in plain loops.
std::vector<double> by_hand(const RankerNetwork::Member& network, const Recommender::Study& study) {
  const std::size_t visit_width = ranking::visit_input_names().size();
  const std::size_t place_width = ranking::place_input_names().size();
  const ranking::UserProfile& user = study.facts.user;
  std::vector<float> of_places(study.best.size() * place_width);
  ranking::fill_place_inputs(study.facts, study.best, study.scores, study.features, of_places);
  std::vector<double> added;
  for (std::size_t c = 0; c < study.best.size(); ++c) {
    std::vector<double> sums(network.heads(), 1.0);
    for (std::uint32_t v = 0; v < user.visits.size(); ++v) {
      if (user.visits[v].row != study.best[c].row) continue;
      std::vector<float> inputs(visit_width);
      ranking::fill_visit_inputs(study.facts, {&v, 1}, inputs);
      const std::vector<double> said = run(network.visits, {inputs.begin(), inputs.end()});
      for (std::size_t h = 0; h < sums.size(); ++h) sums[h] += std::exp(said[h]);
    }
    std::vector<double> inputs(of_places.begin() + static_cast<std::ptrdiff_t>(c * place_width),
                               of_places.begin() + static_cast<std::ptrdiff_t>((c + 1) * place_width));
    for (const double sum : sums) inputs.push_back(std::log(sum));
    added.push_back(run(network.places, std::move(inputs))[0]);
  }
  return added;
}

std::vector<double> by_hand(const RankerNetwork& network, const Recommender::Study& study) {
  std::vector<double> mean(study.best.size());
  for (const RankerNetwork::Member& member : network.members) {
    const std::vector<double> one = by_hand(member, study);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      mean[i] += one[i] / static_cast<double>(network.members.size());
    }
  }
  return mean;
}

TEST_CASE("a network adds to scores what its format says") {
  Town town(1);
  const RankerNetwork network = drawn_network(2);
  const auto exact = SecondStage::create(network, {.precision = gpu::Precision::kFp32});
  const auto rounded = SecondStage::create(network);
  REQUIRE(exact.ok());
  REQUIRE(rounded.ok());
  const auto recommender = town.recommender({});
  for (const char* user : {"u0", "u5", "nobody"}) {
    CAPTURE(user);
    REQUIRE(recommender
                ->study(UserId(user), kHere, kNow, 1.0, false, 60,
                        [&](const Recommender::Study& study) {
                          const std::vector<double> expected = by_hand(network, study);
                          const auto floats = exact->score(study.facts, study.best, study.scores, study.features);
                          const auto codes = rounded->score(study.facts, study.best, study.scores, study.features);
                          REQUIRE(floats.size() == expected.size());
                          double off = 0.0;
                          double all = 0.0;
                          for (std::size_t i = 0; i < expected.size(); ++i) {
                            CHECK(static_cast<double>(floats[i]) == doctest::Approx(expected[i]).epsilon(1e-3));
                            off += std::pow(static_cast<double>(codes[i]) - expected[i], 2.0);
                            all += expected[i] * expected[i];
                          }
                          CHECK(off < 0.0025 * all);  // codes of 8 bits: 5 % of a typical number
                        })
                .ok());
  }
}

TEST_CASE("what a network adds has the same bits on every instruction set") {
  Town town(3);
  const RankerNetwork network = drawn_network(4);
  std::vector<SecondStage> stages;
  for (const auto set : {gpu::InstructionSet::kScalar, gpu::InstructionSet::kAvx2, gpu::InstructionSet::kAvx512}) {
    auto made = SecondStage::create(network, {.instruction_set = set});
    if (made.ok()) {
      stages.push_back(*std::move(made));
    } else {
      MESSAGE("this machine lacks ", gpu::to_string(set));
    }
  }
  const auto recommender = town.recommender({});
  const auto see = [&](const Recommender::Study& study) {
    const auto first = stages.front().score(study.facts, study.best, study.scores, study.features);
    for (const SecondStage& stage : stages) {
      const auto other = stage.score(study.facts, study.best, study.scores, study.features);
      CHECK(std::memcmp(first.data(), other.data(), first.size() * sizeof(float)) == 0);
    }
  };
  for (int user = 0; user < 9; ++user) {
    REQUIRE(recommender->study(UserId("u" + std::to_string(user)), kHere, kNow, 0.0, false, 256, see).ok());
  }
}

TEST_CASE("huge weights add a bounded number, or nothing") {
  Town town(5, 50);
  RankerNetwork network = drawn_network(6);
  for (auto& member : network.members) {
    for (auto* numbers : {&member.visits, &member.places}) {
      for (auto& layer : numbers->layers) {
        for (float& weight : layer.weights) weight *= 1e30F;
      }
    }
  }
  const auto stage = SecondStage::create(network);
  REQUIRE(stage.ok());
  const auto recommender = town.recommender({});
  REQUIRE(recommender
              ->study(UserId("u1"), kHere, kNow, 0.0, false, 50,
                      [&](const Recommender::Study& study) {
                        for (const float value : stage->score(study.facts, study.best, study.scores, study.features)) {
                          CHECK(std::abs(value) <= SecondStage::kAddedMax);
                        }
                      })
              .ok());
}

// ---- in answers -----------------------------------------------------------------------------------------------------

struct Expected {
  std::string id;
  float score = 0.0F;
};

/// Scores of all places by a ranker without a network, and what the network adds to the best of them.
std::vector<Expected> expected_order(Town& town, const RankerNetwork& network, const UserId& user) {
  const auto stage = SecondStage::create(network);
  REQUIRE(stage.ok());
  const auto linear = town.recommender({});
  std::vector<Expected> order;
  const auto see = [&](const Recommender::Study& study) {
    const auto added = stage->score(study.facts, study.best, study.scores, study.features);
    for (std::size_t i = 0; i < added.size(); ++i) {
      order.push_back({study.facts.index.place(study.best[i].row).id.str(), study.scores[i] + added[i]});
    }
  };
  REQUIRE(linear->study(user, kHere, kNow, 0.0, false, Recommender::kSecondStage, see).ok());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return order;
}

TEST_CASE("answers have the order of linear scores and what the network adds, and their reasons add up") {
  Town town(8);
  const RankerNetwork network = drawn_network(9);
  const auto recommender = town.recommender(network);
  for (const char* user : {"u0", "u3", "u8"}) {
    CAPTURE(user);
    const auto expected = expected_order(town, network, UserId(user));
    RecommendRequest request{.user = UserId(user), .position = kHere};
    request.radius_meters = 100'000.0;
    request.limit = 50;
    request.explain = true;
    const auto answer = recommender->recommend(CallContext(), request, kNow);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    REQUIRE(answer->items.size() == 50);
    bool network_is_a_reason = false;
    for (std::size_t i = 0; i < answer->items.size(); ++i) {
      const Recommended& item = answer->items[i];
      CHECK(item.place.id.str() == expected[i].id);
      CHECK(static_cast<float>(item.score) == expected[i].score);
      for (const Reason& reason : item.reasons) network_is_a_reason |= reason.feature == "network";
    }
    CHECK(network_is_a_reason);
    // Whole rankings, as evaluation asks for them, begin with the same places.
    const auto scored = recommender->score(UserId(user), kHere, kNow, 0.0, 100'000.0);
    REQUIRE(scored.ok());
    REQUIRE(scored->linear.size() == scored->scores.size());
    std::vector<std::size_t> order(scored->scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return scored->scores[a] > scored->scores[b]; });
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(scored->index->place(scored->candidates[order[i]].row).id.str() == expected[i].id);
    }
    // The others stand behind, as the linear stage orders them.
    for (std::size_t i = expected.size() + 1; i < order.size(); ++i) {
      CHECK(scored->linear[order[i - 1]] >= scored->linear[order[i]]);
    }
  }
}

TEST_CASE("pages of an answer that a network orders repeat nothing") {
  Town town(10);
  const auto recommender = town.recommender(drawn_network(11));
  RecommendRequest request{.user = UserId("u2"), .position = kHere};
  request.radius_meters = 100'000.0;
  request.limit = 40;
  std::map<std::string, int> seen;
  for (int page = 0; page < 4; ++page) {
    const auto answer = recommender->recommend(CallContext(), request, kNow);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    for (const Recommended& item : answer->items) CHECK(++seen[item.place.id.str()] == 1);
    REQUIRE_FALSE(answer->next.empty());
    request.cursor = answer->next;
  }
  CHECK(seen.size() == 160);
}

TEST_CASE("weights that somebody names are the whole score: no network corrects them") {
  Town town(12);
  const std::map<std::string, double> weights = {{"distance", -1.0}};
  const auto with = town.recommender(drawn_network(13), weights);
  const auto without = town.recommender({}, weights);
  RecommendRequest request{.user = UserId("u1"), .position = kHere};
  const auto a = with->recommend(CallContext(), request, kNow);
  const auto b = without->recommend(CallContext(), request, kNow);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  REQUIRE(a->items.size() == b->items.size());
  for (std::size_t i = 0; i < a->items.size(); ++i) {
    CHECK(a->items[i].place.id == b->items[i].place.id);
    CHECK(a->items[i].score == b->items[i].score);
  }
}

TEST_CASE("what heads gather is the logarithm of one and the powers") {
  const std::vector<float> numbers = {0.0F, 1.0F, 2.0F, -1.0F, 0.5F, 3.0F};  // 3 visits, 2 heads
  const std::vector<std::uint32_t> candidate_of = {2, 0, 2};
  const auto heads = ranking::gather_heads(numbers, 2, candidate_of, 3);
  REQUIRE(heads.size() == 6);
  CHECK(heads[0] == doctest::Approx(std::log(1.0 + std::exp(2.0))));
  CHECK(heads[1] == doctest::Approx(std::log(1.0 + std::exp(-1.0))));
  CHECK(heads[2] == 0.0F);
  CHECK(heads[3] == 0.0F);
  CHECK(heads[4] == doctest::Approx(std::log(1.0 + std::exp(0.0) + std::exp(0.5))));
  CHECK(heads[5] == doctest::Approx(std::log(1.0 + std::exp(1.0) + std::exp(3.0))));
}

TEST_CASE("a weight that is named leaves the network as it is: scores move by what it differs, times the feature") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 71);
  INFO("CAIRN_TEST_SEED=", seed);
  Town town(seed);
  const auto network = ranking::test::drawn_network(seed);
  const auto plain = town.recommender(network);
  const double fitted = ranking::default_ranker().weights[*ranking::find_ranking_feature("popularity")];
  ranking::RankerModel ranker = ranking::default_ranker();
  ranker.network = network;
  RankingOptions options;
  options.weights = {{"popularity", fitted + 0.25}};
  const auto named = *Recommender::create(*town.state, options, ranker);
  options.weights = {{"popularity", fitted}};
  const auto same = *Recommender::create(*town.state, options, ranker);
  RecommendRequest request{.user = UserId("u1"), .position = kHere};
  request.limit = 200;  // all of them are looked at by the network
  request.radius_meters = 3'000;
  const auto before = plain->recommend(CallContext(), request, kNow);
  const auto after = named->recommend(CallContext(), request, kNow);
  const auto unchanged = same->recommend(CallContext(), request, kNow);
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  REQUIRE(before->items.size() == after->items.size());
  REQUIRE(before->items.size() > 5);
  CHECK(before->candidates < 200);
  std::map<std::string, double> scores;
  for (const Recommended& item : before->items) scores[item.place.id.str()] = item.score;
  bool moved = false;
  for (const Recommended& item : after->items) {
    const auto signal = town.state->row(EntityKind::kPlace, item.place.id.str());
    REQUIRE(signal.ok());
    const features::View* view = town.state->schema().find(ranking::kPlaceVisits);
    const features::ViewBlock* block = signal->row == nullptr ? nullptr : signal->row->find(view->id);
    const double visits = block == nullptr ? 0.0 : static_cast<double>(block->entries.at(0).value.count);
    CHECK(item.score - scores.at(item.place.id.str()) == doctest::Approx(0.25 * std::log1p(visits)).epsilon(1e-4));
    moved |= visits > 0.0;
  }
  CHECK(moved);
  for (std::size_t i = 0; i < before->items.size(); ++i) {
    CHECK(before->items[i].place.id == unchanged->items[i].place.id);
    CHECK(before->items[i].score == unchanged->items[i].score);
  }
}

}  // namespace
