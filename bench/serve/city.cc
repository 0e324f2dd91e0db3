#include "bench/serve/city.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/served_model.h"
#include "engine/ranking/builtin_views.h"
#include "features/row.h"
#include "gpu/backend.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kUsers = 2'000;
constexpr std::uint64_t kCategories = 400;
constexpr std::int64_t kDayMs = 86'400'000;

}  // namespace

City::City(std::size_t places, std::size_t events, std::unique_ptr<gpu::Backend> backend)
    : store(storage::open_memory_store(features::merge_encoded_rows)),
      state(*state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes())) {
  import(places);
  RankingOptions options;
  options.radius_meters_max = 25'000'000;
  recommender = *ranking::Recommender::create(*state, options, std::move(backend));
  visit(places, events);
}

void City::import(std::size_t count) {
  std::normal_distribution<double> offset(0.0, 0.022 * std::sqrt(static_cast<double>(count) / 40'000.0));
  std::vector<Place> places;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t category = (random() % kCategories) * (random() % kCategories) / kCategories;
    places.push_back({PlaceId("p" + std::to_string(i)),
                      "",
                      {kCityCenter.lat + offset(random), kCityCenter.lon + 1.3 * offset(random)},
                      "k" + std::to_string(category)});
  }
  CAIRN_CHECK(state->catalog().upsert(places).ok());
}

/// Some places are far more popular than others, and user 0 comes often.
void City::visit(std::size_t places, std::size_t events) {
  const TypeIndex type = *state->types().find("visit");
  std::uniform_real_distribution<double> share(0.0, 1.0);
  std::vector<Interaction> batch;
  for (std::size_t i = 0; i < events; ++i) {
    const auto place = static_cast<std::size_t>(static_cast<double>(places) * std::pow(share(random), 3.0));
    const std::size_t user = i % (events / 512) == 0 ? 0 : 1 + random() % kUsers;
    const std::int64_t age = static_cast<std::int64_t>(events - i) * 30 * kDayMs / static_cast<std::int64_t>(events);
    batch.push_back({UserId("u" + std::to_string(user)),
                     PlaceId("p" + std::to_string(place)),
                     type,
                     kCityNow - std::chrono::milliseconds(age),
                     {},
                     {},
                     {}});
    if (batch.size() == 1000 || i + 1 == events) {
      CAIRN_CHECK(state->apply({"bench", batch, {}, 0}).ok());
      batch.clear();
    }
  }
}

void City::serve_vectors(std::size_t places) {
  std::normal_distribution<float> number(0.0F, 0.1F);
  model::Model model;
  model::Component vectors{.name = "vectors", .kind = model::ComponentKind::kEmbedding, .dim = kCityVectorDim};
  for (std::size_t i = 0; i < places; ++i) model.items.push_back("p" + std::to_string(i));
  for (std::size_t i = 0; i < places * kCityVectorDim; ++i) vectors.item_vectors.push_back(number(random));
  model.popularity.assign(places, 0.0F);
  model.components.push_back(std::move(vectors));
  std::string folder = (std::filesystem::temp_directory_path() / "cairn-bench-XXXXXX").string();
  CAIRN_CHECK(::mkdtemp(folder.data()) != nullptr);
  CAIRN_CHECK(model::save_model(model, folder).ok());
  const auto backend = gpu::make_cpu_backend({.threads = 1});
  auto served = model::ServedModel::load(folder, **backend, kCityNow);
  std::filesystem::remove_all(folder);
  CAIRN_CHECK_MSG(served.ok(), served.status().to_string());
  recommender->serve_model(*std::move(served));
}

}  // namespace cairn::bench
