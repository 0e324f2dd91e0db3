#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/learning/evaluate/replay.h"
#include "engine/learning/ranker/train_ranker.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/ranking_features.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using learning::Objective;

constexpr std::int64_t kHour = 3'600'000;

Interaction visit(const std::string& user, const std::string& place, std::int64_t ms) {
  return {UserId(user), PlaceId(place), *InteractionTypes().find("visit"), event_time_from_ms(ms), {}, {}, {}};
}

/// Places around one square, of no category: where they lie, and what they are, says nothing of who likes them.
void add_places(const std::string& prefix, std::size_t count, std::mt19937_64* random, datasets::Dataset* dataset) {
  const auto offset = [&] { return static_cast<double>((*random)() % 1'000) / 100'000.0; };
  for (std::size_t i = 0; i < count; ++i) {
    dataset->places.push_back({PlaceId(prefix + std::to_string(i)), "", {40.0 + offset(), -74.0 + offset()}, ""});
  }
}

constexpr std::uint64_t kSeed = 11;

/// A city of four tastes: users go to ever new places of their own taste, and now and then back to one.
datasets::Dataset city_of_tastes() {
  constexpr std::size_t kTastes = 4;
  constexpr std::size_t kPlaces = 160;
  std::mt19937_64 random(kSeed);
  datasets::Dataset dataset{.name = "tastes"};
  add_places("p", kPlaces, &random, &dataset);
  std::map<std::size_t, std::vector<std::size_t>> been;
  for (std::int64_t day = 0; day < 24; ++day) {
    for (std::size_t user = 0; user < 160; ++user) {
      std::vector<std::size_t>& own = been[user];
      std::size_t place = user % kTastes + kTastes * (random() % (kPlaces / kTastes));
      if (!own.empty() && random() % 5 == 0) place = own[random() % own.size()];
      own.push_back(place);
      const std::int64_t ms = (24 * day + 12) * kHour + static_cast<std::int64_t>(user) * 60'000;
      dataset.interactions.push_back(visit("u" + std::to_string(user), "p" + std::to_string(place), ms));
    }
  }
  return dataset;
}

learning::RankerTrainOptions small() {
  learning::RankerTrainOptions options{.objective = Objective::kNew};
  options.network = {.epochs = 2, .hidden = 16, .visit_hidden = 8, .heads = 2, .members = 1};
  return options;
}

learning::TrainedRanker trained(const datasets::Dataset& dataset, std::size_t end,
                                const learning::RankerTrainOptions& options) {
  const learning::Stream stream{dataset.places, std::span(dataset.interactions).first(end)};
  auto made = learning::train_ranker({&stream, 1}, options);
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

double mrr_of(const learning::ReplayReport& report, const std::string& method) {
  for (const auto& metrics : report.metrics) {
    if (metrics.method == method) return metrics.mrr;
  }
  FAIL("no method ", method);
  return 0.0;
}

learning::ReplayReport measured(const datasets::Dataset& dataset, learning::TrainedRanker ranker) {
  learning::ReplayOptions options;
  options.objective = Objective::kNew;
  auto served = learning::serve_ranker(std::move(ranker));
  REQUIRE_MESSAGE(served.ok(), served.status().to_string());
  options.ranker = std::move(served->ranker);
  options.items = std::move(served->items);
  auto report = learning::replay(dataset, options);
  REQUIRE_MESSAGE(report.ok(), report.status().to_string());
  return *std::move(report);
}

TEST_CASE("where users have tastes, the model of items is weighed, and new places are foreseen better with it") {
  CAPTURE(kSeed);
  const datasets::Dataset dataset = city_of_tastes();
  const std::size_t end = dataset.interactions.size() * 8 / 10;
  learning::RankerTrainOptions options = small();
  std::vector<double> fractions;
  options.progress = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  learning::TrainedRanker with = trained(dataset, end, options);
  CHECK(std::is_sorted(fractions.begin(), fractions.end()));
  CHECK(fractions.back() <= 1.0);
  CHECK(with.ranker.weights[ranking::model_feature()] > 0.5);
  CHECK(with.linear_loss_after < with.linear_loss_before);
  CHECK(with.ranker.items == "items");
  REQUIRE(with.items.has_value());
  CHECK(with.items->kind == "ease");
  options = small();
  options.item_model = "none";
  learning::TrainedRanker without = trained(dataset, end, options);
  CHECK_FALSE(without.items.has_value());
  CHECK(without.ranker.items.empty());
  const auto blended = measured(dataset, std::move(with));
  const auto plain = measured(dataset, std::move(without));
  CHECK(blended.questions == plain.questions);
  CHECK(blended.questions > 300);
  // A taste has 40 places, of which a user has been to about 15; all tastes together 160.
  CHECK(mrr_of(blended, "cairn") > 2.0 * mrr_of(plain, "cairn"));
  CHECK(mrr_of(blended, "cairn") > 0.9 * mrr_of(blended, "item_model"));
}

std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[std::filesystem::relative(entry.path(), folder)] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

TEST_CASE("the same seed gives the same ranker and the same model of items, to the byte") {
  const datasets::Dataset dataset = city_of_tastes();
  const test::TemporaryFolder folder;
  std::map<std::string, std::string> files[3];
  for (int i = 0; i < 3; ++i) {
    learning::RankerTrainOptions options = small();
    options.item_model = "ials";
    options.item_parameters = {{"dim", "8"}, {"epochs", "3"}};
    options.network.epochs = 1;
    options.threads = i == 1 ? 1 : 0;
    options.seed = i == 2 ? 2 : 1;
    const std::string out = folder / "r" + std::to_string(i);
    std::filesystem::create_directories(out);
    REQUIRE(learning::save_ranker(out, trained(dataset, dataset.interactions.size(), options)).ok());
    files[i] = files_of(out);
  }
  CHECK(files[0].contains("model.toml"));
  CHECK(files[0].contains("items/model.toml"));
  CHECK(files[0] == files[1]);
  CHECK(files[0].at("model.toml") != files[2].at("model.toml"));
  const auto loaded = learning::load_ranker(folder / "r0");
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  REQUIRE(loaded->items != nullptr);
  CHECK(loaded->items->model().kind == "ials");
  std::filesystem::remove_all(folder / "r0/items");
  CHECK(learning::load_ranker(folder / "r0").status().code() == StatusCode::kNotFound);
}

/// After a beginning in which all go to a few common places, pairs of users go together to places that nobody else ever
/// goes to. Who knows the end knows from one place of a pair all others: a model of it ranks the truth first.
datasets::Dataset city_of_pairs(std::int64_t days_together) {
  constexpr std::size_t kPairs = 60;
  std::mt19937_64 random(kSeed);
  datasets::Dataset dataset{.name = "pairs"};
  add_places("common", 20, &random, &dataset);
  add_places("pair", kPairs * static_cast<std::size_t>(days_together), &random, &dataset);
  const auto day_of = [&](std::int64_t day, const auto& place) {
    for (std::size_t i = 0; i < 2 * kPairs; ++i) {  // the first of all pairs, then the second of all
      const std::size_t user = 2 * (i % kPairs) + i / kPairs;
      const std::int64_t ms = (24 * day + 12) * kHour + static_cast<std::int64_t>(i) * 60'000;
      dataset.interactions.push_back(visit("u" + std::to_string(user), place(user / 2), ms));
    }
  };
  const std::int64_t begun = 3 * days_together / 2;  // the first 60 %
  for (std::int64_t day = 0; day < begun; ++day) {
    day_of(day, [&](std::size_t) { return "common" + std::to_string(random() % 20); });
  }
  for (std::int64_t day = 0; day < days_together; ++day) {
    day_of(begun + day, [&](std::size_t pair) {
      return "pair" + std::to_string(pair * static_cast<std::size_t>(days_together) + static_cast<std::size_t>(day));
    });
  }
  return dataset;
}

TEST_CASE("no answer is in what the model of items was trained on, so that no question is easier than it will be") {
  const datasets::Dataset dataset = city_of_pairs(8);
  learning::RankerTrainOptions options = small();
  options.item_parameters = {{"regularization", "1"}};  // two visits to a place are evidence enough
  const learning::TrainedRanker ranker = trained(dataset, dataset.interactions.size(), options);
  CHECK(ranker.measured > 50);
  // By chance among 60 places of a day; with the answers known the first in nearly all.
  CHECK(ranker.network.before.mrr < 0.3);
  // The model that is written knows all.
  REQUIRE(ranker.items.has_value());
  CHECK(ranker.items->items.size() > 400);
}

TEST_CASE("a ranker for the next place has no model of items unless one is asked for") {
  const datasets::Dataset dataset = city_of_tastes();
  learning::RankerTrainOptions options = small();
  options.objective = Objective::kNext;
  options.network.epochs = 0;
  const auto plain = trained(dataset, dataset.interactions.size(), options);
  CHECK_FALSE(plain.items.has_value());
  options.item_model = "item-knn";
  ranking::RankerModel start = ranking::default_ranker();
  start.weights[ranking::model_feature()] = 0.0;  // would leave the model out
  const learning::Stream stream{dataset.places, dataset.interactions};
  const auto blended = learning::train_ranker({&stream, 1}, start, options);
  REQUIRE_MESSAGE(blended.ok(), blended.status().to_string());
  REQUIRE(blended->items.has_value());
  CHECK(blended->items->kind == "item-knn");
  CHECK(blended->ranker.weights[ranking::model_feature()] > 0.0);
}

TEST_CASE("a model of items that cannot be, and a share that leaves nothing to ask, are refused") {
  const datasets::Dataset dataset = city_of_tastes();
  const learning::Stream stream{dataset.places, dataset.interactions};
  learning::RankerTrainOptions options = small();
  options.item_model = "eaze";
  const auto unknown = learning::train_ranker({&stream, 1}, options);
  CHECK(unknown.status().code() == StatusCode::kNotFound);
  CHECK(unknown.status().message().find("item-knn") != std::string::npos);
  options = small();
  options.item_model_share = 0.95F;
  CHECK(learning::train_ranker({&stream, 1}, options).status().code() == StatusCode::kInvalidArgument);
  options.item_model = "none";  // then the share is of nothing
  options.network.epochs = 0;
  CHECK(learning::train_ranker({&stream, 1}, options).ok());
  options = small();
  options.progress = [](double) { return false; };
  CHECK(learning::train_ranker({&stream, 1}, options).status().code() == StatusCode::kCancelled);
}

}  // namespace
