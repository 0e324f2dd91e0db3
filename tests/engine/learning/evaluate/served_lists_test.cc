// What a daemon answers with a model alone is what the model ranks offline, for every user of a real split.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "engine/learning/datasets/traces.h"
#include "engine/learning/interactions.h"
#include "engine/learning/train.h"
#include "engine/model/item_ranker.h"
#include "engine/model/model.h"
#include "gpu/backend.h"
#include "tests/support/real_data.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;

constexpr std::size_t kLength = 20;
constexpr std::size_t kHistoryMax = 512;  // visits that a row keeps

/// The first four fifths of the check-ins: what the model is trained on, and what the engine has read.
struct Split {
  datasets::Dataset data;
  learning::Interactions pairs;
  std::map<std::string, std::size_t> visits;  ///< by user

  explicit Split(const std::string& folder) : data(*datasets::load_foursquare(folder)) {
    data.interactions.resize(data.interactions.size() * 4 / 5);
    learning::InteractionsBuilder builder;
    for (const Interaction& one : data.interactions) {
      builder.add(one.user.str(), one.place.str());
      ++visits[one.user.str()];
    }
    pairs = std::move(builder).finish();
  }
};

std::unique_ptr<Engine> open_engine(const test::TemporaryFolder& scratch, const Split& split) {
  REQUIRE(datasets::write_interactions_ndjson(scratch / "events.ndjson", split.data.interactions).ok());
  EngineOptions options;
  options.state_dir = scratch / "state";
  options.state.free_bytes_min = 0;
  options.files = {{.name = "events", .path = scratch / "events.ndjson", .follow = false}};
  options.ranking.weights = {{"model", 1.0}};
  options.ranking.default_weights = false;
  options.ranking.radius_meters_max = 20'100'000;
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  REQUIRE((*engine)->upsert_places({}, split.data.places).ok());
  REQUIRE((*engine)->wait_caught_up({}).ok());
  return *std::move(engine);
}

/// The model's best items for each user, without those that the user has had.
gpu::TopKAnswers rank_offline(const model::Model& model, const Split& split) {
  const auto backend = gpu::make_cpu_backend({.threads = 1});
  const auto ranker = model::ItemRanker::create(model, **backend, {.threads = 1});
  REQUIRE(ranker.ok());
  std::vector<gpu::RowFilter> filters;
  for (std::size_t user = 0; user < split.pairs.users.size(); ++user) {
    filters.push_back({.excluded = split.pairs.view().columns_of(user)});
  }
  gpu::TopKAnswers answers;
  REQUIRE((*ranker)->rank(split.pairs.view(), kLength, filters, &answers).ok());
  return answers;
}

void check_lists(Engine& engine, const model::Model& model, const Split& split) {
  const gpu::TopKAnswers expected = rank_offline(model, split);
  std::size_t compared = 0;
  for (std::size_t user = 0; user < split.pairs.users.size(); ++user) {
    const std::string& id = split.pairs.users[user];
    if (split.visits.at(id) > kHistoryMax) continue;  // the row has forgotten some of them
    CAPTURE(id);
    const auto answer = engine.recommend({}, {.user = UserId(id),
                                              .position = GeoPoint{40.7, -74.0},
                                              .limit = kLength,
                                              .radius_meters = 20'100'000,
                                              .exclude_seen = true,
                                              .explain = false});
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    REQUIRE(answer->items.size() == kLength);
    for (std::size_t i = 0; i < kLength; ++i) {
      const float score = expected.scores_of(user)[i];
      if (score <= 0.0F) break;  // places that the model does not know have 0
      REQUIRE(answer->items[i].score == static_cast<double>(score));
      // Of equal scores the offline list has the lower row first, the engine the nearer place.
      const bool tied = (i > 0 && expected.scores_of(user)[i - 1] == score) || i + 1 == kLength ||
                        expected.scores_of(user)[i + 1] == score;
      if (!tied) REQUIRE(answer->items[i].place.id.str() == model.items[expected.rows_of(user)[i]]);
    }
    ++compared;
  }
  MESSAGE(compared, " of ", split.pairs.users.size(), " users");
  CHECK(compared * 10 > split.pairs.users.size() * 9);
}

}  // namespace

TEST_CASE("every user of a real split is served the list that a model ranks offline") {
  const std::string folder = test::real_data_with("foursquare_nyc");
  if (folder.empty()) return;
  const Split split(folder);
  const test::TemporaryFolder scratch;
  const auto engine = open_engine(scratch, split);
  // One model of vectors, which the scan multiplies, and one whose scores are made for all items.
  for (const char* kind : {"ials", "item-knn"}) {
    CAPTURE(kind);
    learning::TrainOptions options;
    if (std::string(kind) == "ials") options.parameters = {{"dim", "32"}, {"epochs", "3"}};
    const auto model = learning::train(kind, split.pairs, options);
    REQUIRE_MESSAGE(model.ok(), model.status().to_string());
    REQUIRE(model::save_model(*model, scratch / kind).ok());
    const auto served = engine->activate_model({}, scratch / kind, ModelChoice::kConfigured);
    REQUIRE_MESSAGE(served.ok(), served.status().to_string());
    CHECK(served->items_without_place == 0);
    check_lists(*engine, *model, split);
  }
}
