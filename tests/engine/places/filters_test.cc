#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/geohash.h"
#include "features/row.h"
#include "tests/engine/ranking/linear_weights.h"
#include "tests/support/environment_number.h"

namespace {

using namespace cairn;
using ranking::Recommender;

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kStart = 1'700'000'000'000;  // a Tuesday, 22:13 UTC
constexpr GeoPoint kCenter{40.7, -74.0};
using List = std::vector<AttributeScalar>;

/// A condition as text, and what it means, written down apart from the code that reads it.
struct Drawn {
  std::string text;
  std::function<bool(const Place&)> holds;
};

/// One value of the attribute that `passes`; `name` may be category.
bool any_value(const Place& place, const std::string& name, const std::function<bool(const AttributeScalar&)>& passes) {
  if (name == "category") return !place.category.empty() && passes(place.category);
  for (const Attribute& one : place.attributes) {
    if (one.name != name) continue;
    if (const auto* list = std::get_if<List>(&one.value)) return std::any_of(list->begin(), list->end(), passes);
    if (const auto* flag = std::get_if<bool>(&one.value)) return passes(*flag);
    if (const auto* number = std::get_if<double>(&one.value)) return passes(*number);
    return passes(std::get<std::string>(one.value));
  }
  return false;
}

class City {
 public:
  explicit City(std::uint64_t seed) : random_(seed) {
    options_.weights = ranking::test::linear_weights();
    options_.default_weights = false;
    terms_.attributes = features::AttributeRules({{"price", AttributeType::kNumber}});
    state_ = *state::FeatureState::open(*store_, {.views = ranking::builtin_views(), .attributes = terms_.attributes},
                                        InteractionTypes());
    import(700);
    recommender_ = *Recommender::create(*state_, options_, nullptr, terms_);
  }

  void import(int count) {
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      const std::string id = "p" + std::to_string(places_.size() + places.size());
      Place place{PlaceId(id), id, somewhere(), draw(10) == 0 ? "" : "kind" + std::to_string(draw(6))};
      std::vector<Attribute> attributes;
      if (draw(3) != 0) attributes.push_back({"price", static_cast<double>(draw(20))});
      if (draw(3) != 0) attributes.push_back({"cuisine", "c" + std::to_string(draw(5))});
      if (draw(2) != 0) attributes.push_back({"vegan", draw(2) == 0});
      if (draw(2) != 0) {
        List list;
        for (std::uint64_t k = draw(4); k > 0; --k) {
          draw(4) == 0 ? list.emplace_back(static_cast<double>(draw(4)))
                       : list.emplace_back("t" + std::to_string(draw(5)));
        }
        attributes.push_back({"tags", std::move(list)});
      }
      place.attributes = attributes;
      places.push_back(std::move(place));
    }
    // Some are imported again with other attributes.
    for (std::size_t i = 0; i < places_.size(); i += 7) {
      Place again = places_[i];
      again.attributes = {{"cuisine", "c9"}};
      places.push_back(std::move(again));
    }
    REQUIRE(state_->catalog().upsert(places).ok());
    std::map<std::string, Place> all;
    for (const Place& place : places_) all[place.id.str()] = place;
    for (Place& place : places) {
      if (place.attributes.size() > 1) {
        auto& list = place.attributes.edit();
        std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
      }
      all[place.id.str()] = place;
    }
    places_.clear();
    for (auto& [id, place] : all) places_.push_back(place);
    if (recommender_) recommender_->refresh_index();
  }

  void happen(int events) {
    for (int i = 0; i < events; ++i) {
      now_ += static_cast<std::int64_t>(draw(600'000));
      const char* type = draw(3) == 0 ? "click" : "visit";
      const Interaction one{UserId("u" + std::to_string(draw(4))),
                            places_[draw(places_.size())].id,
                            *state_->types().find(type),
                            event_time_from_ms(now_),
                            {},
                            {},
                            {}};
      REQUIRE(state_->apply({"test", {&one, 1}, {}, 0}).ok());
    }
  }

  void serve_rules(const std::vector<PlaceRule>& rules, const std::vector<std::function<bool(const Place&)>>& match) {
    REQUIRE(recommender_->serve_rules(rules).ok());
    rules_ = rules;
    match_ = match;
  }

  Drawn test() {
    switch (draw(9)) {
      case 0: {
        const auto bound = static_cast<double>(draw(20));
        const std::size_t sign = draw(4);
        constexpr const char* kSigns[] = {" < ", " <= ", " > ", " >= "};
        return {"price" + std::string(kSigns[sign]) + number_text(bound), [=](const Place& place) {
                  return any_value(place, "price", [=](const AttributeScalar& value) {
                    const double is = std::get<double>(value);
                    return sign == 0 ? is < bound : sign == 1 ? is <= bound : sign == 2 ? is > bound : is >= bound;
                  });
                }};
      }
      case 1: {
        const std::string wanted = "c" + std::to_string(draw(6));
        return {"cuisine = '" + wanted + "'", [=](const Place& place) {
                  return any_value(place, "cuisine",
                                   [&](const auto& value) { return value == AttributeScalar(wanted); });
                }};
      }
      case 2: {
        const std::string unwanted = "c" + std::to_string(draw(5));
        return {"cuisine != " + unwanted, [=](const Place& place) {
                  return !any_value(place, "cuisine",
                                    [&](const auto& value) { return value == AttributeScalar(unwanted); });
                }};
      }
      case 3:
        return {"vegan", [](const Place& place) {
                  return any_value(place, "vegan", [](const auto& value) { return value == AttributeScalar(true); });
                }};
      case 4: {
        const std::string a = "t" + std::to_string(draw(5));
        const auto b = static_cast<double>(draw(4));
        return {"tags in (\"" + a + "\", " + number_text(b) + ")", [=](const Place& place) {
                  return any_value(place, "tags", [&](const auto& value) {
                    return value == AttributeScalar(a) || value == AttributeScalar(b);
                  });
                }};
      }
      case 5:
        return {"tags is present",
                [](const Place& place) { return any_value(place, "tags", [](const auto&) { return true; }); }};
      case 6:
        return {"price is absent",
                [](const Place& place) { return !any_value(place, "price", [](const auto&) { return true; }); }};
      case 7: {
        const std::string wanted = "kind" + std::to_string(draw(6));
        return {"category = " + wanted, [=](const Place& place) { return place.category == wanted; }};
      }
      default: {
        const std::string bound = "c" + std::to_string(draw(5));
        return {"cuisine >= " + bound, [=](const Place& place) {
                  return any_value(place, "cuisine",
                                   [&](const auto& value) { return std::get<std::string>(value) >= bound; });
                }};
      }
    }
  }
  Drawn condition(int depth) {
    if (depth == 0 || draw(3) == 0) return test();
    const Drawn a = condition(depth - 1);
    if (draw(3) == 0) return {"not (" + a.text + ")", [=](const Place& place) { return !a.holds(place); }};
    const Drawn b = condition(depth - 1);
    if (draw(2) == 0) {
      return {"(" + a.text + ") and (" + b.text + ")", [=](const Place& p) { return a.holds(p) && b.holds(p); }};
    }
    return {"(" + a.text + ") or (" + b.text + ")", [=](const Place& p) { return a.holds(p) || b.holds(p); }};
  }

  /// Asks something and compares the answer with a plain look at every place.
  void check_one_question() {
    static constexpr double kRadii[] = {700.0, 5'000.0, 100'000.0};
    RecommendRequest request{.user = UserId("u" + std::to_string(draw(5))), .position = somewhere()};
    request.limit = 1 + draw(60);
    request.radius_meters = kRadii[draw(std::size(kRadii))];
    request.time = event_time_from_ms(now_);
    request.position_time = request.time;
    request.attributes = true;
    Drawn where{"", [](const Place&) { return true; }};
    if (draw(4) != 0) where = condition(3);
    request.where = where.text;
    if (draw(4) == 0) request.exclude_categories = {"kind" + std::to_string(draw(6)), "nowhere"};
    if (draw(5) == 0) {
      for (int i = 0; i < 40; ++i) request.only.push_back(places_[draw(places_.size())].id);
      request.only.emplace_back("nobody");
    }
    const std::set<PlaceId> only(request.only.begin(), request.only.end());
    compare(request, [&](const Place& place) {
      if (!only.empty() && !only.contains(place.id)) return false;
      for (const std::string& category : request.exclude_categories) {
        if (place.category == category) return false;
      }
      return where.holds(place);
    });
  }

 private:
  struct Expected {
    int tier;
    float score;
    float meters;
    std::string id;
  };
  Expected expected_of(const Place& place, float score, float meters) const {
    Expected one{1, score, meters, place.id.str()};
    double added = 0.0;
    bool pinned = false;
    bool buried = false;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (!match_[i](place)) continue;
      added += rules_[i].add;
      pinned = pinned || rules_[i].effect == RuleEffect::kPin;
      buried = buried || rules_[i].effect == RuleEffect::kBury;
    }
    one.score += static_cast<float>(added);
    one.tier = buried ? 2 : pinned ? 0 : 1;
    return one;
  }

  void compare(const RecommendRequest& request, const std::function<bool(const Place&)>& passes) {
    CAPTURE(request.where);
    std::map<std::string, const Place*> by_id;
    for (const Place& place : places_) by_id[place.id.str()] = &place;
    std::vector<Expected> expected;
    const auto scored =
        recommender_->score(request.user, *request.position, *request.time, 0.0, *request.radius_meters);
    REQUIRE(scored.ok());
    for (std::size_t i = 0; i < scored->candidates.size(); ++i) {
      const Place& place = *by_id.at(scored->index->place(scored->candidates[i].row).id.str());
      if (passes(place)) expected.push_back(expected_of(place, scored->scores[i], scored->candidates[i].meters));
    }
    std::sort(expected.begin(), expected.end(), [](const Expected& a, const Expected& b) {
      return std::tuple(a.tier, -a.score, a.meters, a.id) < std::tuple(b.tier, -b.score, b.meters, b.id);
    });
    const auto answer = recommender_->recommend(CallContext(), request, event_time_from_ms(now_));
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    CHECK(answer->candidates == expected.size());
    REQUIRE(answer->items.size() == std::min(expected.size(), request.limit));
    for (std::size_t i = 0; i < answer->items.size(); ++i) {
      REQUIRE(answer->items[i].place.id.str() == expected[i].id);
      REQUIRE(answer->items[i].score == static_cast<double>(expected[i].score));
      CHECK(answer->items[i].place == *by_id.at(expected[i].id));
    }
    if (answer->items.size() < request.limit && !request.where.empty()) {
      CHECK(answer->shortfall.find("were removed by where, open or only") != std::string::npos);
    }
  }

  std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  GeoPoint somewhere() {
    std::uniform_real_distribution<double> offset(-0.1, 0.1);
    return {kCenter.lat + offset(random_), kCenter.lon + offset(random_)};
  }

  std::mt19937_64 random_;
  std::unique_ptr<storage::StateStore> store_ = storage::open_memory_store(features::merge_encoded_rows);
  RankingOptions options_;
  ranking::PlaceTerms terms_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<Recommender> recommender_;
  std::vector<Place> places_;
  std::vector<PlaceRule> rules_;
  std::vector<std::function<bool(const Place&)>> match_;
  std::int64_t now_ = kStart;
};

}  // namespace

TEST_CASE("places that pass a condition are those that a plain look at every place finds, best first") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 31);
  INFO("CAIRN_TEST_SEED=", seed);
  for (std::uint64_t turn = 0; turn < 3; ++turn) {
    City city(seed + turn);
    for (int round = 0; round < 12; ++round) {
      city.happen(20);
      for (int i = 0; i < 8; ++i) city.check_one_question();
      if (round % 5 == 4) city.import(30);
    }
  }
}

TEST_CASE("rules raise, lower, pin and bury exactly the places that they match") {
  const std::uint64_t seed = test::environment_number("CAIRN_TEST_SEED", 32);
  INFO("CAIRN_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> add(-3.0, 3.0);
  for (std::uint64_t turn = 0; turn < 4; ++turn) {
    City city(seed + turn);
    for (int round = 0; round < 12; ++round) {
      if (round % 3 == 0) {
        std::vector<PlaceRule> rules;
        std::vector<std::function<bool(const Place&)>> match;
        for (std::uint64_t i = random() % 5; i > 0; --i) {
          const Drawn when = city.condition(2);
          PlaceRule rule{.name = "r" + std::to_string(i), .when = when.text};
          rule.effect = random() % 4 == 0 ? RuleEffect::kBury : random() % 5 == 0 ? RuleEffect::kPin : RuleEffect::kAdd;
          if (rule.effect == RuleEffect::kAdd) rule.add = add(random) * (random() % 10 == 0 ? 300.0 : 1.0);
          if (random() % 3 == 0) rule.cells = {"dr5r", "dr72"};
          const bool never = random() % 6 == 0;
          // The clock stands at a Tuesday and goes on for days: on one date of the year before it is never so.
          if (never) rule.active = "2001 Jan 01";
          rules.push_back(rule);
          const bool here = !rule.cells.empty();
          match.emplace_back([=](const Place& place) {
            const std::string cell = features::geohash_text(features::geohash_bits(place.position, 4), 4);
            return !never && when.holds(place) && (!here || cell == "dr5r" || cell == "dr72");
          });
        }
        city.serve_rules(rules, match);
      }
      city.happen(20);
      for (int i = 0; i < 8; ++i) city.check_one_question();
      if (round % 5 == 4) city.import(30);
    }
  }
}
