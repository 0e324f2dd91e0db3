#include "engine/recommender/ranking.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace {

using namespace cairn;
using recommender::Ranking;

TEST_CASE("every ranking feature has a name of its own, a meaning and a default weight") {
  std::set<std::string> names;
  for (const RankingFeatureInfo& info : ranking_features()) {
    CHECK(names.insert(info.name).second);
    CHECK(info.meaning.size() > 10);
  }
  CHECK(names.size() == recommender::kRankingFeatures);
}

TEST_CASE("without weights in the configuration the defaults hold, with some only those") {
  const auto defaults = Ranking::create({});
  REQUIRE(defaults.ok());
  CHECK(defaults->weight(recommender::RankingFeature::kDistance) == doctest::Approx(-0.763544));
  const auto own = Ranking::create({{"distance", -2.0}});
  REQUIRE(own.ok());
  CHECK(own->weight(recommender::RankingFeature::kDistance) == -2.0);
  CHECK(own->weight(recommender::RankingFeature::kHabit) == 0.0);
}

TEST_CASE("an unknown feature or an impossible weight is refused by name") {
  CHECK(Ranking::create({{"distanse", 1.0}}).status().message().find("distanse") != std::string::npos);
  CHECK_FALSE(Ranking::create({{"distance", std::nan("")}}).ok());
}

}  // namespace
