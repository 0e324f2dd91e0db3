#pragma once

#include <cstdint>

namespace cairn::learning {

/// What is to be foreseen, by a ranker in training and in a measurement.
enum class Objective : std::uint8_t {
  kNext,  ///< the place that a user goes to next
  kNew,   ///< the next place that the user has not been to, among those
};

}  // namespace cairn::learning
