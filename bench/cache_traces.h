#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/learning/datasets/traces.h"

/// Keys as caches are asked for them, made up and real.
namespace cairn::bench {

using Trace = std::vector<std::uint32_t>;  ///< keys, as they are asked for

/// Keys by Zipf's law with exponent `s`.
inline Trace zipf(std::size_t keys, std::size_t requests, double s, std::uint64_t seed) {
  std::vector<double> sums(keys);
  double sum = 0.0;
  for (std::size_t i = 0; i < keys; ++i) sums[i] = sum += std::pow(static_cast<double>(i + 1), -s);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, sum);
  Trace trace(requests);
  for (std::uint32_t& key : trace) {
    key = static_cast<std::uint32_t>(std::lower_bound(sums.begin(), sums.end(), uniform(random)) - sums.begin());
  }
  return trace;
}

/// The users of the check-ins of gowalla_nyc, in the order of time. Empty when the data (CAIRN_DATA) are not there.
inline Trace check_ins() {
  const char* folder = std::getenv("CAIRN_DATA");
  if (folder == nullptr) return {};
  const auto dataset = datasets::load_gowalla(folder);
  if (!dataset.ok()) return {};
  std::unordered_map<std::string, std::uint32_t> numbers;
  Trace trace;
  for (const Interaction& one : dataset->interactions) {
    trace.push_back(numbers.try_emplace(one.user.str(), static_cast<std::uint32_t>(numbers.size())).first->second);
  }
  return trace;
}

}  // namespace cairn::bench
