#include "engine/learning/segments.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/learning/train.h"

using namespace cairn;
using namespace cairn::learning;

namespace {

/// Users of one of three tastes, each with 20 items of their own: more of the first taste than of the second, and so
/// on. Some users had nothing.
Interactions three_tastes(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  InteractionsBuilder builder;
  for (std::size_t user = 0; user < 240; ++user) {
    const std::string name = std::to_string(user);
    const std::size_t taste = user < 120 ? 0 : user < 200 ? 1 : 2;
    // How much somebody did says nothing of the taste.
    for (std::size_t i = 2 + random() % 12; i > 0; --i) {
      builder.add(name, "t" + std::to_string(taste) + " " + std::to_string(random() % 20));
    }
  }
  builder.add_user("nobody");
  return std::move(builder).finish();
}

model::Model trained(const Interactions& interactions, std::size_t segments, std::size_t threads = 0) {
  auto made = train("ials", interactions,
                    {.parameters = {{"dim", "8"},
                                    {"epochs", "8"},
                                    {"unobserved_weight", "0.1"},
                                    {"segments", std::to_string(segments)}},
                     .seed = 3,
                     .threads = threads});
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

TEST_CASE("users of planted tastes are found as segments, the largest first, with who had what") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    INFO("seed ", seed);
    const Interactions interactions = three_tastes(seed);
    const model::Model model = trained(interactions, 3);
    REQUIRE(model.segments.count() == 3);
    CHECK(model.segments.users == std::vector<std::uint64_t>{120, 80, 40});
    CHECK(model.parameters.at("segments") == "3");
    for (std::size_t item = 0; item < model.items.size(); ++item) {
      const auto own = static_cast<std::size_t>(model.items[item][1] - '0');
      const auto had = std::count(interactions.columns.begin(), interactions.columns.end(), item);
      for (std::size_t s = 0; s < 3; ++s) CHECK(model.segments.item_users[item * 3 + s] == (s == own ? had : 0));
    }
    // A segment's vector scores the items of its own taste higher than any other.
    for (std::size_t s = 0; s < 3; ++s) {
      float own_least = 1e9F;
      float other_most = -1e9F;
      for (std::size_t item = 0; item < model.items.size(); ++item) {
        float score = 0.0F;
        for (std::size_t j = 0; j < 8; ++j) {
          score += model.segments.vectors[s * 8 + j] * model.components[0].item_vectors[item * 8 + j];
        }
        const bool own = static_cast<std::size_t>(model.items[item][1] - '0') == s;
        own ? own_least = std::min(own_least, score) : other_most = std::max(other_most, score);
      }
      CHECK(own_least > other_most);
    }
  }
}

TEST_CASE("segments are the same for any number of threads, and only found when they are asked for") {
  const Interactions interactions = three_tastes(5);
  const model::Model one = trained(interactions, 5, 1);
  const model::Model two = trained(interactions, 5, 2);
  CHECK(one.segments.vectors == two.segments.vectors);
  CHECK(one.segments.item_users == two.segments.item_users);
  const model::Model none = trained(interactions, 0);
  CHECK(none.segments.count() == 0);
  CHECK(none.components[0].item_vectors == one.components[0].item_vectors);
}

TEST_CASE("too many segments, and those of a model without one set of vectors, are refused") {
  const Interactions interactions = three_tastes(6);
  CHECK(train("ials", interactions, {.parameters = {{"dim", "4"}, {"segments", "65"}}}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(train("ease", interactions, {.parameters = {{"segments", "4"}}}).status().code() ==
        StatusCode::kInvalidArgument);
  auto ease = train("ease", interactions, {});
  REQUIRE(ease.ok());
  CHECK(segments_of(*ease, interactions, {}, {}).status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
