// What conditions and rules add to a request: the best 20 of 40,000 places within 50 km, in process, on one thread, in
// processor time. The peer is the same request without them, asked in turn in the same run.
//
// where: a condition that half of the places pass, asked again and again, as of an application's own filter; new where:
// one that nobody has asked before; open: places open at the moment, of 200 schedules, each minute asked once; rules:
// two that add to a third of the places each, one of them by time; bury: one that buries a tenth of them.

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/measure.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "storage/state_store.h"

namespace cairn::bench {
namespace {

constexpr GeoPoint kCenter{40.7, -74.0};
constexpr std::size_t kPlaces = 40'000;
constexpr std::size_t kUsers = 200;
const EventTime kNow = event_time_from_ms(1'700'000'000'000);

struct Town {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<ranking::Recommender> recommender;
  std::mt19937_64 random{3};

  Town() {
    ranking::PlaceTerms terms;
    terms.attributes = features::AttributeRules({{"opening_hours", AttributeType::kHours}});
    state = *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
    import();
    recommender = *ranking::Recommender::create(*state, {}, nullptr, terms);
    visit();
  }

  void import() {
    std::normal_distribution<double> offset(0.0, 0.022);
    std::vector<Place> places;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      const std::uint64_t opens = 6 + random() % 5;
      const std::string hours = "Mo-Sa 0" + std::to_string(std::min<std::uint64_t>(opens, 9)) + ":" +
                                (random() % 2 == 0 ? "00" : "30") + "-" + std::to_string(18 + random() % 5) + ":" +
                                std::to_string(10 + random() % 5 * 10);
      places.push_back({PlaceId("p" + std::to_string(i)),
                        "",
                        {kCenter.lat + offset(random), kCenter.lon + 1.3 * offset(random)},
                        "k" + std::to_string(random() % 400),
                        {{"cuisine", "c" + std::to_string(random() % 40)},
                         {"opening_hours", hours},
                         {"price", static_cast<double>(random() % 1000)}}});
    }
    CAIRN_CHECK(state->catalog().upsert(places).ok());
  }

  void visit() {
    const TypeIndex type = *state->types().find("visit");
    std::vector<Interaction> batch;
    for (std::size_t i = 0; i < 100'000; ++i) {
      batch.push_back({UserId("u" + std::to_string(random() % kUsers)),
                       PlaceId("p" + std::to_string(std::min(random() % kPlaces, random() % kPlaces))),
                       type,
                       kNow - std::chrono::minutes(random() % 40'000),
                       {},
                       {},
                       {}});
    }
    CAIRN_CHECK(state->apply({"bench", batch, {}, 0}).ok());
  }
};

using Change = std::function<void(RecommendRequest&)>;

/// Asks the same users in turn with and without.
void compare(ServeRun& run, Town& town, const std::string& name, const std::vector<PlaceRule>& rules,
             const Change& change) {
  std::size_t asked = 0;
  const auto ask = [&](bool with) {
    RecommendRequest request{.user = UserId("u" + std::to_string(asked++ / 2 % 50)), .position = kCenter};
    if (with) change(request);
    const double start = thread_seconds();
    const auto answer = town.recommender->recommend(CallContext(), request, kNow);
    const double seconds = thread_seconds() - start;
    CAIRN_CHECK_MSG(answer.ok() && answer->items.size() == 20, answer.status().to_string());
    return seconds;
  };
  std::vector<double> seconds[2];
  for (std::size_t round = 2 * run.rounds(15); round > 0; --round) {
    // Rules are in force for a whole turn: what changes them makes columns anew.
    for (const bool with : {false, true}) {
      CAIRN_CHECK(town.recommender->serve_rules(with ? rules : std::vector<PlaceRule>()).ok());
      for (int i = 0; i < 4; ++i) static_cast<void>(ask(with));
      for (int i = 0; i < 20; ++i) seconds[with ? 1 : 0].push_back(ask(with));
    }
  }
  run.report.add({.name = "filters " + name + " n=40000",
                  .unit = "us",
                  .better = Better::kLess,
                  .value = median(seconds[1]) * 1e6,
                  .peer = Peer{"the same request without", median(seconds[0]) * 1e6}});
}

}  // namespace

void filters_case(ServeRun& run) {
  Town town;
  compare(run, town, "where", {}, [](RecommendRequest& r) { r.where = "price < 500 or cuisine in (c1, c2)"; });
  std::size_t next = 0;
  compare(run, town, "new where", {}, [&next](RecommendRequest& r) {
    r.where = "price < " + number_text(500.0 + 1e-6 * static_cast<double>(++next)) + " or cuisine in (c1, c2)";
  });
  compare(run, town, "open", {}, [&next](RecommendRequest& r) {
    r.open_at = kNow - std::chrono::hours(8) + std::chrono::minutes(++next % 240);
  });
  const std::vector<PlaceRule> adding{{.name = "a", .when = "price < 333", .add = 0.4},
                                      {.name = "b", .when = "price > 666", .active = "Mo-Su 00:00-24:00", .add = -0.3}};
  compare(run, town, "rules that add", adding, [](RecommendRequest&) {});
  compare(run, town, "a rule that buries", {{.name = "c", .when = "price < 100", .effect = RuleEffect::kBury}},
          [](RecommendRequest&) {});
}

}  // namespace cairn::bench
