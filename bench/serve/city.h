#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "engine/ranking/recommender.h"
#include "engine/state/feature_state.h"
#include "storage/state_store.h"

namespace cairn::bench {

inline constexpr GeoPoint kCityCenter{40.7, -74.0};
inline constexpr std::size_t kCityVectorDim = 64;
inline const EventTime kCityNow = event_time_from_ms(1'700'000'000'000);

/// A dense city around kCityCenter with some months of visits, by 2,000 users in 400 categories. The larger, the wider:
/// 40,000 places have 35,000 within 5 km. Ids are "p0", "p1", … and "u0", "u1", …; u0 comes often.
struct City {
  std::unique_ptr<storage::StateStore> store;
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<ranking::Recommender> recommender;
  std::mt19937_64 random{1};

  /// `backend` scans; null: the processors.
  City(std::size_t places, std::size_t events, std::unique_ptr<gpu::Backend> backend = nullptr);
  /// Puts a model in force that knows every place, of vectors that are drawn at random.
  void serve_vectors(std::size_t places);

 private:
  void import(std::size_t count);
  void visit(std::size_t places, std::size_t events);
};

}  // namespace cairn::bench
