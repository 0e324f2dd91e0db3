#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "cairn/clock.h"
#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"

namespace cairn::datasets {

/// Size of an invented city. The same options give the same bytes on every platform: all randomness comes from `seed`
/// through generators of our own, and all arithmetic is of the kind that IEEE 754 rounds in one way only.
struct CityOptions {
  std::uint64_t seed = 1;
  std::size_t users = 2'000;
  std::size_t places = 3'000;
  std::size_t days = 30;
  std::size_t events = 200'000;                                            ///< exactly this many interactions
  EventTime end = std::chrono::sys_days{std::chrono::year{2025} / 1 / 1};  ///< all events are earlier
};

/// Invents a city and what its people do there:
///   - districts of five kinds with clusters of places around their squares; 20 categories, each with its share, its
///     kinds of district and its hours of the week (local time, UTC+1);
///   - popularity of places and activity of users by Zipf-Mandelbrot laws (weight 1 / (rank + q));
///   - a home and a work place per user, three favourite categories, and movement after Song et al. (Nature Physics
///     2010): a new place with probability 0.6 S^-1/4 after S distinct ones, else a return in proportion to past
///     visits; new places are chosen by popularity and by the inverse square of the distance;
///   - all six built-in types: views, clicks and dismissals while browsing, visits with seconds of dwell, ratings 1 to
///   5
///     and saves after them; an event id on the events of three users in five.
///
/// Returns: INVALID_ARGUMENT for a size of zero or beyond 10 million users or places, 3,650 days or 1 billion events.
[[nodiscard]] Result<Dataset> generate_city(const CityOptions& options);

}  // namespace cairn::datasets
