#include "engine/learning/ranker/train_ranker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "engine/learning/datasets/city.h"
#include "engine/learning/evaluate/replay.h"
#include "engine/learning/ranker/fit_linear.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/network_inputs.h"
#include "gpu/half.h"

namespace {

using namespace cairn;
using learning::QuestionLog;

std::size_t place_width() { return ranking::place_input_names().size(); }
std::size_t visit_width() { return ranking::visit_input_names().size(); }

std::size_t input(std::span<const std::string_view> names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  REQUIRE(found != names.end());
  return static_cast<std::size_t>(found - names.begin());
}

/// Questions over made-up candidates, of which one is drawn by the softmax of `utility`.
template <class Utility>
QuestionLog drawn_questions(std::size_t count, std::uint64_t seed, const Utility& utility) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  constexpr std::size_t kCandidates = 8;
  QuestionLog log;
  for (std::size_t q = 0; q < count; ++q) {
    QuestionLog::Question question{
        .first_candidate = log.scores.size(), .first_visit = log.candidate_of.size(), .candidates = kCandidates};
    std::vector<double> powers;
    for (std::size_t c = 0; c < kCandidates; ++c) {
      std::vector<float> places(place_width());
      for (float& value : places) value = gpu::float_of_half(gpu::half_of_float(normal(random)));
      std::vector<std::vector<float>> visits(random() % 3);
      for (auto& visit : visits) {
        visit.resize(visit_width());
        for (float& value : visit) value = gpu::float_of_half(gpu::half_of_float(normal(random)));
        for (const float value : visit) log.visit_inputs.push_back(gpu::half_of_float(value));
        log.candidate_of.push_back(static_cast<std::uint16_t>(c));
      }
      for (const float value : places) log.place_inputs.push_back(gpu::half_of_float(value));
      log.scores.push_back(0.0F);
      log.log_weights.push_back(0.0F);
      question.visits += static_cast<std::uint32_t>(visits.size());
      powers.push_back(std::exp(utility(places, visits)));
    }
    double sum = 0.0;
    for (const double power : powers) sum += power;
    double left = uniform(random) * sum;
    while (question.truth + 1 < kCandidates && (left -= powers[question.truth]) > 0.0) ++question.truth;
    log.questions.push_back(question);
  }
  return log;
}

TEST_CASE("weights and kernel are found again in the choices that they made") {
  ranking::RankerModel truth = ranking::default_ranker();
  std::fill(truth.weights.begin(), truth.weights.end(), 0.0);
  const auto feature = [](std::string_view name) { return input(ranking::place_input_names(), name); };
  truth.weights[feature("habit")] = 1.5;
  truth.weights[feature("popularity")] = 0.8;
  truth.weights[feature("distance")] = -1.2;
  truth.habit = ranking::HabitCoefficients{};
  truth.habit.constant = -0.5;
  truth.habit.age = 0.7;
  const std::size_t age = input(ranking::visit_input_names(), "log_age");
  const QuestionLog log = drawn_questions(6000, 1, [&](const auto& places, const auto& visits) {
    double sum = 0.0;
    for (const auto& visit : visits) sum += std::exp(-0.5 + 0.7 * static_cast<double>(visit[age]));
    return 1.5 * std::log1p(sum) + 0.8 * static_cast<double>(places[feature("popularity")]) -
           1.2 * static_cast<double>(places[feature("distance")]);
  });
  ranking::RankerModel start = truth;
  start.weights[feature("habit")] = 1.0;
  start.weights[feature("popularity")] = 0.1;
  start.weights[feature("distance")] = -0.1;
  start.habit.constant = 0.0;
  start.habit.age = 0.0;
  const auto fit = learning::fit_linear(log, 5000, start, {.epochs = 40, .rate = 0.05F});
  REQUIRE(fit.ok());
  CHECK(fit->loss_after < fit->loss_before);
  CHECK(fit->ranker.weights[feature("popularity")] == doctest::Approx(0.8).epsilon(0.1));
  CHECK(fit->ranker.weights[feature("distance")] == doctest::Approx(-1.2).epsilon(0.1));
  // Weight and constant of habit make up for each other: what they say together of one visit is found.
  const double one_visit = fit->ranker.weights[feature("habit")] * std::log1p(std::exp(fit->ranker.habit.constant));
  CHECK(one_visit == doctest::Approx(1.5 * std::log1p(std::exp(-0.5))).epsilon(0.1));
  CHECK(fit->ranker.habit.age == doctest::Approx(0.7).epsilon(0.2));
  // What weighed nothing still does, to the bit.
  CHECK(fit->ranker.weights[feature("rating")] == 0.0);
}

TEST_CASE("what a network learns is what no sum of features can say") {
  // The farther an input is from 0 the better, on either side; and visits count by an exponential.
  const std::size_t near = input(ranking::place_input_names(), "near");
  const std::size_t same_gap = input(ranking::visit_input_names(), "same_gap");
  const auto utility = [&](const auto& places, const auto& visits) {
    double sum = 0.0;
    for (const auto& visit : visits) sum += std::exp(static_cast<double>(visit[same_gap]));
    return 2.0 * std::abs(static_cast<double>(places[near])) + std::log1p(sum);
  };
  const QuestionLog log = drawn_questions(9000, 2, utility);
  const learning::NetworkFitOptions options{
      .epochs = 6, .hidden = 24, .visit_hidden = 8, .heads = 2, .members = 2, .rate = 0.01F};
  const auto fit = learning::fit_network(log, 8000, options);
  REQUIRE(fit.ok());
  REQUIRE(fit->epochs > 0);
  CHECK(fit->before.loss == doctest::Approx(std::log(8.0)));  // all scores are equal
  CHECK(fit->before.mrr == doctest::Approx(1.0));             // and none is better than the truth
  CHECK(fit->after.loss < 0.85 * std::log(8.0));
  REQUIRE(fit->network.members.size() == 2);
  CHECK(fit->network.members[0].heads() == 2);
  CHECK(fit->network.members[0].places.layers[0].weights != fit->network.members[1].places.layers[0].weights);

  learning::NetworkFitOptions alone = options;
  alone.threads = 1;
  const auto again = learning::fit_network(log, 8000, alone);
  REQUIRE(again.ok());
  CHECK(again->network.members[1].places.layers[1].weights == fit->network.members[1].places.layers[1].weights);
  alone.seed = 2;
  alone.members = 1;
  const auto other = learning::fit_network(log, 8000, alone);
  REQUIRE(other.ok());
  REQUIRE(other->network.members.size() == 1);
  CHECK(other->network.members[0].places.layers[1].weights != fit->network.members[0].places.layers[1].weights);
}

TEST_CASE("an input that never varied in training has no say when it does later") {
  // So it is with the score of a model, where a ranker is trained without one and served with one.
  const std::size_t model = input(ranking::place_input_names(), "model");
  QuestionLog log =
      drawn_questions(1200, 4, [](const auto& places, const auto&) { return 3.0 * static_cast<double>(places[0]); });
  for (std::size_t c = 0; c < log.scores.size(); ++c) log.place_inputs[c * place_width() + model] = 0;
  const auto fit = learning::fit_network(
      log, 1000, {.epochs = 3, .hidden = 8, .visit_hidden = 4, .heads = 1, .members = 1, .rate = 0.02F});
  REQUIRE(fit.ok());
  REQUIRE(fit->epochs > 0);
  CHECK(fit->network.members[0].places.scale[model] == 0.0F);
  CHECK(fit->network.members[0].places.scale[0] > 0.0F);
}

TEST_CASE("a training that is given up ends at once") {
  const QuestionLog log = drawn_questions(200, 3, [](const auto&, const auto&) { return 0.0; });
  learning::NetworkFitOptions network;
  network.progress = [](std::size_t, std::size_t) { return false; };
  CHECK(learning::fit_network(log, 100, network).status().code() == StatusCode::kCancelled);
  learning::LinearFitOptions linear;
  linear.progress = network.progress;
  CHECK(learning::fit_linear(log, 100, ranking::default_ranker(), linear).status().code() == StatusCode::kCancelled);
}

/// A small made-up town's stream.
datasets::Dataset town() {
  datasets::CityOptions options;
  options.users = 120;
  options.places = 300;
  options.events = 20'000;
  options.seed = 5;
  auto city = datasets::generate_city(options);
  REQUIRE(city.ok());
  return *std::move(city);
}

learning::RankerTrainOptions small() {
  learning::RankerTrainOptions options;
  options.network = {.epochs = 3, .hidden = 16, .visit_hidden = 8, .heads = 2, .members = 1};
  return options;
}

TEST_CASE("a ranker that is trained on what came before foresees what comes after no worse than the one that ships") {
  const datasets::Dataset dataset = town();
  const std::size_t end = dataset.interactions.size() * 8 / 10;
  const learning::Stream before{dataset.places, std::span(dataset.interactions).first(end)};
  std::vector<double> fractions;
  learning::RankerTrainOptions options = small();
  options.progress = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  const auto trained = learning::train_ranker({&before, 1}, ranking::default_ranker(), options);
  REQUIRE_MESSAGE(trained.ok(), trained.status().to_string());
  CHECK(trained->questions > 1000);
  CHECK(trained->measured > 100);
  CHECK(trained->linear_loss_after <= trained->linear_loss_before);
  CHECK(std::is_sorted(fractions.begin(), fractions.end()));
  CHECK(fractions.back() <= 1.0);
  learning::ReplayOptions replay;
  replay.ask_every = 4;
  const auto shipped = learning::replay(dataset, replay);
  replay.ranker = trained->ranker;
  const auto own = learning::replay(dataset, replay);
  REQUIRE(shipped.ok());
  REQUIRE(own.ok());
  CHECK(own->metrics[0].mrr >= shipped->metrics[0].mrr - 0.01);
  // The same stream and seed give the same ranker.
  const auto again = learning::train_ranker({&before, 1}, ranking::default_ranker(), small());
  REQUIRE(again.ok());
  CHECK(again->ranker.weights == trained->ranker.weights);
  REQUIRE(again->ranker.network.has_value() == trained->ranker.network.has_value());
  if (again->ranker.network) {
    CHECK(again->ranker.network->members[0].places.layers[1].weights ==
          trained->ranker.network->members[0].places.layers[1].weights);
  }
}

TEST_CASE("several streams are learned from together, and a ranker may be for new places") {
  const datasets::Dataset dataset = town();
  const std::span<const Interaction> all(dataset.interactions);
  const learning::Stream streams[] = {{dataset.places, all.first(10'000)}, {dataset.places, all.subspan(10'000)}};
  learning::RankerTrainOptions options = small();
  options.network.epochs = 1;
  options.fit_linear = false;
  const auto both = learning::train_ranker(streams, ranking::default_ranker(), options);
  REQUIRE_MESSAGE(both.ok(), both.status().to_string());
  const auto first = learning::train_ranker({streams, 1}, ranking::default_ranker(), options);
  REQUIRE(first.ok());
  CHECK(both->questions > first->questions);
  CHECK(both->ranker.weights == ranking::default_ranker().weights);
  options.objective = learning::Objective::kNew;
  const auto fresh = learning::train_ranker({streams, 1}, ranking::default_ranker(), options);
  REQUIRE_MESSAGE(fresh.ok(), fresh.status().to_string());
  CHECK(fresh->questions < first->questions);
}

TEST_CASE("a stream of which nothing can be asked is refused, and so are options that make no sense") {
  const datasets::Dataset dataset = town();
  const learning::Stream nothing{dataset.places, {}};
  const auto none = learning::train_ranker({&nothing, 1}, ranking::default_ranker(), small());
  CHECK(none.status().code() == StatusCode::kInvalidArgument);
  CHECK(none.status().message().find("too few questions") != std::string::npos);
  const learning::Stream stream{dataset.places, dataset.interactions};
  const auto refused = [&](const std::function<void(learning::RankerTrainOptions*)>& change) {
    learning::RankerTrainOptions options = small();
    change(&options);
    return learning::train_ranker({&stream, 1}, ranking::default_ranker(), options).status().code() ==
           StatusCode::kInvalidArgument;
  };
  CHECK(refused([](auto* options) { options->measured = 0.0F; }));
  CHECK(refused([](auto* options) { options->measured = 1.0F; }));
  CHECK(refused([](auto* options) { options->warm_up = 0.95F; }));
  CHECK(refused([](auto* options) { options->network.heads = 0; }));
  CHECK(refused([](auto* options) { options->network.heads = 65; }));
  CHECK(refused([](auto* options) { options->network.hidden = 5000; }));
  CHECK(refused([](auto* options) { options->network.members = 17; }));
  CHECK(refused([](auto* options) { options->network.rate = 0.0F; }));
  CHECK(refused([](auto* options) { options->questions_max = 0; }));
}

}  // namespace
