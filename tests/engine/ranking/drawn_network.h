#pragma once

#include <cstdint>
#include <random>

#include "engine/ranking/ranker_network.h"
#include "engine/ranking/score/network_inputs.h"

namespace cairn::ranking::test {

/// Three members of random numbers: 3 heads, and hidden layers of 9 and 8. Two of them scale what they read alike, as
/// members that were trained together do.
inline RankerNetwork drawn_network(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.6F);
  const auto drawn = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = normal(random);
    return values;
  };
  const auto layer = [&](std::size_t inputs, std::size_t outputs) {
    return NetworkNumbers::Layer{inputs, outputs, drawn(inputs * outputs), drawn(outputs)};
  };
  const std::size_t visits = visit_input_names().size();
  const std::size_t places = place_input_names().size() + 3;
  RankerNetwork network;
  for (int i = 0; i < 2; ++i) {
    network.members.push_back({{drawn(visits), drawn(visits), {layer(visits, 9), layer(9, 3)}},
                               {drawn(places), drawn(places), {layer(places, 9), layer(9, 8), layer(8, 1)}}});
  }
  network.members.push_back(network.members.back());
  for (NetworkNumbers* numbers : {&network.members[2].visits, &network.members[2].places}) {
    for (NetworkNumbers::Layer& l : numbers->layers) l = layer(l.inputs, l.outputs);
  }
  return network;
}

}  // namespace cairn::ranking::test
