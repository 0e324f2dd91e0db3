// The second stage of ranking: what the ranker that ships adds to the 256 best places of a question, with all inputs
// computed, for a user of 512 visits. 8-bit codes beside floats: time, and in how many questions both put one place
// first.
#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/report.h"
#include "cairn/check.h"
#include "engine/learning/datasets/city.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"

namespace {

using namespace cairn;
using ranking::Recommender;
using ranking::SecondStage;

constexpr std::size_t kVisits = 512;

/// A made-up city, and one more user whose history is full.
class City {
 public:
  explicit City(bool quick) {
    datasets::CityOptions options;
    options.users = 400;
    options.events = quick ? 10'000 : 60'000;
    auto made = datasets::generate_city(options);
    CAIRN_CHECK_MSG(made.ok(), made.status().to_string());
    dataset_ = *std::move(made);
    store_ = storage::open_memory_store(features::merge_encoded_rows);
    auto state =
        state::FeatureState::open(*store_, {.views = ranking::builtin_views(), .sync = false}, InteractionTypes());
    CAIRN_CHECK_MSG(state.ok(), state.status().to_string());
    state_ = *std::move(state);
    check(state_->catalog().upsert(dataset_.places));
    check(state_->apply({"bench", dataset_.interactions, {}, 0}));
    check(state_->apply({"bench", full_history(), {}, 0}));
    recommender_ = std::move(*Recommender::create(*state_, {}));
  }

  [[nodiscard]] EventTime now() const { return dataset_.interactions.back().time + std::chrono::minutes(30); }
  [[nodiscard]] const datasets::Dataset& dataset() const { return dataset_; }
  void study(const UserId& user, const std::function<void(const Recommender::Study&)>& see) const {
    const GeoPoint here = dataset_.places.front().position;
    check(recommender_->study(user, here, now(), 0.5, false, Recommender::kSecondStage, see));
  }

  static void check(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

 private:
  /// Most visits go to few places, as people's do.
  [[nodiscard]] std::vector<Interaction> full_history() const {
    std::mt19937_64 random(7);
    std::vector<Interaction> visits;
    for (std::size_t i = 0; i < kVisits; ++i) {
      const double drawn = static_cast<double>(random() % 1'000'000) / 1e6;
      const auto place = static_cast<std::size_t>(std::pow(drawn, 3.0) * 150.0);
      visits.push_back({.user = UserId("full"),
                        .place = dataset_.places[place].id,
                        .type = *InteractionTypes().find("visit"),
                        .time = now() - std::chrono::minutes(100 * (kVisits - i))});
    }
    return visits;
  }

  datasets::Dataset dataset_;
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<Recommender> recommender_;
};

SecondStage stage_of(gpu::Precision precision) {
  auto stage = SecondStage::create(*ranking::default_ranker().network, {.precision = precision});
  CAIRN_CHECK_MSG(stage.ok(), stage.status().to_string());
  return *std::move(stage);
}

std::size_t first_by(const SecondStage& stage, const Recommender::Study& study) {
  std::vector<float> sums = stage.score(study.facts, study.best, study.scores, study.features);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += study.scores[i];
  return static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("rank", argc, argv);
  const City city(report.quick());
  const SecondStage codes = stage_of(gpu::Precision::kInt8);
  const SecondStage floats = stage_of(gpu::Precision::kFp32);
  city.study(UserId("full"), [&](const Recommender::Study& study) {
    CAIRN_CHECK(study.best.size() == Recommender::kSecondStage);
    const auto micros = [&](const SecondStage& stage) {
      return 1e6 * bench::best_seconds(report.quick() ? 50 : 2'000,
                                       [&] { (void)stage.score(study.facts, study.best, study.scores, study.features); });
    };
    const double of_codes = micros(codes);
    report.add({.name = "second stage, int8, candidates=256 visits=512",
                .unit = "us",
                .better = bench::Better::kLess,
                .value = of_codes,
                .peer = bench::Peer{"the same in fp32", micros(floats)}});
  });
  std::size_t asked = 0;
  std::size_t agreed = 0;
  for (std::size_t user = 0; user < city.dataset().interactions.size(); user += 50) {
    city.study(city.dataset().interactions[user].user, [&](const Recommender::Study& study) {
      ++asked;
      agreed += first_by(codes, study) == first_by(floats, study) ? 1 : 0;
    });
  }
  report.add({.name = "second stage, int8: first place as by fp32, questions=" + std::to_string(asked),
              .unit = "share",
              .value = static_cast<double>(agreed) / static_cast<double>(asked)});
  return 0;
}
