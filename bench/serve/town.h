#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/engine.h"

namespace cairn::bench {

struct TownOptions {
  std::string folder;  ///< of the engine's state
  std::size_t places = 40'000;
  std::size_t users = 50'000;
  std::size_t events_per_user = 6;  ///< on average
  AnswerCacheOptions answers = {};
};

/// An engine that knows a dense city and its users, who are called u0, u1, ... Each has a place that they ask from.
[[nodiscard]] std::unique_ptr<Engine> open_town(const TownOptions& options);

/// Where a user of the town asks from.
[[nodiscard]] GeoPoint position_of(std::size_t user);

/// A POST of the user's question, as it goes over the wire.
[[nodiscard]] std::string post_of(std::size_t user);

/// One visit of the user, as JSON.
[[nodiscard]] std::string visit_of(std::size_t user, std::size_t place, std::int64_t ms);

/// Numbers below `count` by Zipf's law with exponent 1.
[[nodiscard]] std::vector<std::uint32_t> zipf_order(std::size_t count, std::size_t length, std::uint64_t seed);

/// The value at a share of all, which are put in order.
[[nodiscard]] double at_share(std::vector<double>& values, double share);

}  // namespace cairn::bench
