#include "engine/ranking/score/linear_stage.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/ranking_features.h"

namespace {

using namespace cairn;
using ranking::LinearStage;

double weight(const LinearStage& stage, std::string_view feature) {
  return stage.weights()[ranking::find_ranking_feature(feature).value()];
}

TEST_CASE("every ranking feature has a name of its own, a meaning and a default weight") {
  std::set<std::string> names;
  for (const RankingFeatureInfo& info : ranking::ranking_features()) {
    CHECK(names.insert(info.name).second);
    CHECK(info.meaning.size() > 10);
  }
  CHECK(names.size() == ranking::ranking_feature_count());
}

TEST_CASE("a weight that is named takes the place of the default, and all others stay unless there are to be none") {
  const auto defaults = LinearStage::create(ranking::default_ranker().weights, {});
  REQUIRE(defaults.ok());
  CHECK(weight(*defaults, "distance") == doctest::Approx(-0.75152));
  const auto own = LinearStage::create(ranking::default_ranker().weights, {{"distance", -2.0}});
  REQUIRE(own.ok());
  CHECK(weight(*own, "distance") == -2.0);
  CHECK(weight(*own, "habit") == weight(*defaults, "habit"));
  CHECK(weight(*own, "habit") != 0.0);
  const auto alone = LinearStage::create(ranking::default_ranker().weights, {{"distance", -2.0}}, false);
  REQUIRE(alone.ok());
  CHECK(weight(*alone, "distance") == -2.0);
  CHECK(weight(*alone, "habit") == 0.0);
  CHECK(alone->trained_weights()[ranking::find_ranking_feature("distance").value()] == weight(*defaults, "distance"));
}

TEST_CASE("an unknown feature or an impossible weight is refused by name") {
  CHECK(
      LinearStage::create(ranking::default_ranker().weights, {{"distanse", 1.0}}).status().message().find("distanse") !=
      std::string::npos);
  CHECK_FALSE(LinearStage::create(ranking::default_ranker().weights, {{"distance", std::nan("")}}).ok());
  CHECK_FALSE(LinearStage::create(ranking::default_ranker().weights, {{"distance", 1e308}}).ok());
  CHECK(LinearStage::create(ranking::default_ranker().weights, {{"distance", -1e6}}).ok());
}

}  // namespace
