#include "engine/learning/ranker/item_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "engine/model/item_ranker.h"
#include "gpu/backend.h"

namespace {

using namespace cairn;

constexpr std::size_t kUsers = 80;
constexpr std::size_t kPlaces = 120;

Interaction event(const std::string& user, const std::string& place, const char* type) {
  return {UserId(user), PlaceId(place), *InteractionTypes().find(type), event_time_from_ms(0), {}, {}, {}};
}

/// Visits of users of four tastes; `groups` times as many users as kUsers.
std::vector<Interaction> visits(std::size_t groups) {
  std::mt19937_64 random(7);
  std::vector<Interaction> made;
  for (std::size_t user = 0; user < groups * kUsers; ++user) {
    for (int i = 0; i < 12; ++i) {
      const std::size_t place = random() % 5 == 0 ? random() % kPlaces : user % 4 + 4 * (random() % (kPlaces / 4));
      made.push_back(event("u" + std::to_string(user), "p" + std::to_string(place), "visit"));
    }
  }
  return made;
}

model::Model trained(const std::vector<Interaction>& stream, const std::string& kind) {
  const std::span<const Interaction> all(stream);
  learning::ItemModelOptions options{.kind = kind};
  if (kind == "ials") options.parameters = {{"dim", "8"}, {"epochs", "3"}};
  auto made = learning::train_item_model({&all, 1}, options);
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

/// Computed a second way: over users and items as the stream names them.
struct Measured {
  double twentieth = 0.0;  ///< best score of what a user has not had, on the mean
  double slope = 0.0;      ///< of these scores by popularity
};
Measured measure(const model::Model& model, const std::vector<Interaction>& stream, std::size_t users) {
  const auto backend = gpu::make_cpu_backend({.threads = 1});
  const auto ranker = model::ItemRanker::create(model, **backend, {.threads = 1});
  REQUIRE(ranker.ok());
  Measured measured;
  double products = 0.0;
  double squares = 0.0;
  for (std::size_t user = 0; user < users; ++user) {
    std::vector<std::uint32_t> own;
    for (const Interaction& one : stream) {
      if (one.user.str() != "u" + std::to_string(user)) continue;
      const auto at = std::find(model.items.begin(), model.items.end(), one.place.str());
      own.push_back(static_cast<std::uint32_t>(at - model.items.begin()));
    }
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    const std::uint64_t offsets[] = {0, own.size()};
    std::vector<float> scores;
    REQUIRE((*ranker)->score({.offsets = offsets, .columns = own, .width = model.items.size()}, &scores).ok());
    std::vector<double> others;
    for (std::uint32_t item = 0; item < scores.size(); ++item) {
      if (std::binary_search(own.begin(), own.end(), item)) continue;
      others.push_back(static_cast<double>(scores[item]));
      const auto popularity = static_cast<double>(model.popularity[item]);
      products += others.back() * popularity;
      squares += popularity * popularity;
    }
    std::sort(others.rbegin(), others.rend());
    measured.twentieth += others[19] / static_cast<double>(users);
  }
  measured.slope = products / squares;
  return measured;
}

TEST_CASE("scores of every kind, and those of somebody unknown, have one unit") {
  const std::vector<Interaction> stream = visits(1);
  for (const char* kind : {"ease", "ials", "item-knn", "popularity"}) {
    CAPTURE(kind);
    const Measured measured = measure(trained(stream, kind), stream, kUsers);
    CHECK(measured.twentieth == doctest::Approx(1.0).epsilon(1e-3));
    CHECK(measured.slope == doctest::Approx(1.0).epsilon(1e-3));
  }
}

TEST_CASE("the unit stays when there is three times as much to learn from") {
  const std::vector<Interaction> stream = visits(3);
  CHECK(measure(trained(stream, "ease"), stream, 3 * kUsers).twentieth == doctest::Approx(1.0).epsilon(1e-3));
}

TEST_CASE("a model of items is trained on visits alone") {
  std::vector<Interaction> stream = visits(1);
  const std::size_t pairs = trained(stream, "ease").interactions;
  for (const char* type : {"view", "click", "rate", "save", "dismiss"})
    stream.push_back(event("u1", "elsewhere", type));
  const model::Model with_others = trained(stream, "ease");
  CHECK(with_others.interactions == pairs);
  CHECK(std::find(with_others.items.begin(), with_others.items.end(), "elsewhere") == with_others.items.end());
}

TEST_CASE("streams are learned from together, and what cannot be trained says what else there is to do") {
  const std::vector<Interaction> stream = visits(1);
  const std::span<const Interaction> halves[] = {std::span(stream).first(500), std::span(stream).subspan(500)};
  const auto both = learning::train_item_model(halves, {});
  REQUIRE(both.ok());
  CHECK(both->interactions == trained(stream, "ease").interactions);
  const std::span<const Interaction> nothing;
  const auto none = learning::train_item_model({&nothing, 1}, {});
  CHECK(none.status().code() == StatusCode::kInvalidArgument);
  CHECK(none.status().message().find("item_model=none") != std::string::npos);
  const auto large = learning::train_item_model(halves, {.parameters = {{"memory_max_bytes", "1000"}}});
  CHECK(large.status().code() == StatusCode::kResourceExhausted);
  CHECK(large.status().message().find("item_model=ials") != std::string::npos);
  const auto given_up = learning::train_item_model(halves, {.progress = [](double) { return false; }});
  CHECK(given_up.status().code() == StatusCode::kCancelled);
}

TEST_CASE("one visit is enough for a model, whose scores then have no unit and stay as they are") {
  const std::vector<Interaction> one = {event("u", "p", "visit")};
  const model::Model model = trained(one, "ease");
  CHECK(model.items == std::vector<std::string>{"p"});
  CHECK(model.components.at(0).weight == 1.0F);
}

}  // namespace
